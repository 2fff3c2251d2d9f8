"""`nanochat learn grade`: a class's marks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ....errors import UsageError
from ....plain import shown_path
from ....validation import nearest
from ...console import print_result, print_table, say
from ...options import ReplaceFlag
from ...parser import Commands, Work

if TYPE_CHECKING:
    from ....course.grading.marking import Marks

commands = Commands()


@commands.words("grade", "nanochat learn grade submissions --roster roster.csv --out grades.csv")
def _words(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A zip or a folder for each student lies in it.", readable=False)
    ],
    *,
    roster: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Whose variants are whose: what `learn roster` wrote.", readable=False),
    ] = None,
    exercises: Annotated[
        str, typer.Option(metavar="1a,2a", help="These alone; all that somebody handed in if left out.")
    ] = "",
    seed: Annotated[int | None, typer.Option(min=0, help="Inputs of this seed for everybody.")] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Answers that run at once; 0 = one a core.")] = 0,
    out: Annotated[
        Path, typer.Option(help="File to write.", metavar="FILE", readable=False, rich_help_panel="Output")
    ] = Path("grades.csv"),
    force: ReplaceFlag = False,
) -> Work:
    """Run every answer of a class again and write the marks as CSV.

    A receipt is compared with what is found, never believed. Answers run in processes of their own, with limits and
    your rights: that guards against accidents. It is no sandbox, so put strangers' files into a container.
    """
    return partial(work, folder, roster, exercises, seed=seed, jobs=jobs, out=out, force=force)


def work(
    folder: Path, roster: Path | None, exercises: str, *, seed: int | None, jobs: int, out: Path, force: bool
) -> None:
    """Read, run, write, and show what a person should look at."""
    from ....course.grading.alike import find_alike
    from ....course.grading.gradebook import asked, begun, to_rows
    from ....course.grading.handed import KEYS, read_class
    from ....course.grading.marking import grade
    from ....course.grading.roster import read_roster
    from ....course.grading.tables import to_csv
    from ....machine import cores
    from ....storage.atomic import write_text
    from ...folders import check_free_file

    keys = _keys(exercises, KEYS)
    if not force:
        check_free_file(out)
    students = read_roster(roster) if roster else []
    handed, others = read_class(folder)
    for name in others:
        say(f"{name} is no zip and no folder, so it was left alone")
    marks = grade(handed, students, keys=keys, seed=seed, jobs=jobs or cores(), graded=_tell)
    rows = to_rows(marks, keys if exercises else asked(marks, keys))
    write_text(out, to_csv(rows), new=not force)
    print_table([{key: row[key] for key in ("student", "submission", "points", "of", "findings")} for row in rows])
    _print_notes(marks)
    alike = find_alike(begun(marks))
    if alike:
        print_result("\nOf one shape, which is a hint and no verdict: short answers often are.")
        for found in alike:
            print_result(f"  {found}")
    print_result(f"\nwritten: {shown_path(out)}")


def _keys(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    keys = tuple(word.strip().lower() for word in text.split(",")) if text else known
    for key in keys:
        if key not in known:
            raise UsageError(f"--exercises {key!r} is no exercise: {nearest(key, known)}")
    return keys


def _tell(n: int, of: int) -> None:
    """Every twentieth answer, so that a class of hundreds is seen to go on."""
    if n % 20 == 0 or n == of:
        say(f"{n} of {of} answers are run")


def _print_notes(marks: list[Marks]) -> None:
    for one in marks:
        if one.notes:
            print_result(f"\n{one.student or '(nobody)'}  {one.name}".rstrip())
        for note in one.notes:
            print_result(f"  {note}")
