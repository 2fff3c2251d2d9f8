"""`nanochat learn roster`: whose variants are whose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ....errors import UsageError
from ....plain import markdown, shown_path
from ...console import print_result
from ...options import ReplaceFlag
from ...parser import Commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....course.grading.roster import Enrolled

commands = Commands()


@commands.work("roster", "nanochat learn roster students.csv --course spring --out roster.csv")
def roster(
    students: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV with a column `student`.", readable=False)],
    *,
    course: Annotated[str, typer.Option(metavar="NAME", help="As in everybody's course.toml.")] = "",
    out: Annotated[
        Path, typer.Option(help="File to write.", metavar="FILE", readable=False, rich_help_panel="Output")
    ] = Path("roster.csv"),
    sheets: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="A sheet of questions for each, and keys.csv.", readable=False, rich_help_panel="Output"
        ),
    ] = None,
    lessons: Annotated[str, typer.Option(metavar="1,2,3", help="Lessons that the sheets ask about.")] = "",
    force: ReplaceFlag = False,
) -> None:
    """Write the seed and the variants of each student, a row each, for `learn grade --roster`.

    A seed or a variant that stands in the file already is kept, so that a cell changed by hand stays as it is. With
    --sheets each student gets questions to answer by hand, one a lesson, with numbers of their own.
    """
    from ....course.grading.roster import read_roster, roster_csv
    from ....storage.atomic import write_text
    from ...folders import check_free_file

    numbers = _numbers(lessons)
    if not force:
        check_free_file(out)
        if sheets:
            check_free_file(sheets / "keys.csv")
    found = read_roster(students, course)
    write_text(out, roster_csv(found), new=not force)
    print_result(f"{len(found)} students\nwritten: {shown_path(out)}")
    if sheets:
        _write_sheets(sheets, found, numbers, force=force)
        print_result(f"written: {shown_path(sheets)}, {len(found)} sheets and keys.csv")


def _numbers(text: str) -> list[int]:
    from ....course.lessons import LESSONS

    known = [lesson.number for lesson in LESSONS]
    words = [word.strip() for word in text.split(",")] if text else map(str, known)
    numbers = [int(word) if word.isascii() and word.isdecimal() else -1 for word in words]
    if not set(numbers) <= set(known):
        raise UsageError(
            f"--lessons {text!r} is no list of lessons: give numbers from {known[0]} to {known[-1]}, as 1,2"
        )
    return numbers


def _write_sheets(folder: Path, students: Sequence[Enrolled], numbers: list[int], *, force: bool) -> None:
    """01-ada.md and so on: a number before each, since two ids may differ in what no name of a file can hold."""
    import re

    from ....course.bank.sheet import sheet, sheet_text
    from ....course.grading.tables import to_csv
    from ....storage.atomic import write_text

    rows = []
    for i, one in enumerate(students, 1):
        asked = sheet(one.seed, numbers)
        word = re.sub(r"[^\w.-]+", "-", one.student)[:60]
        write_text(folder / f"{i:02d}-{word}.md", sheet_text(markdown(one.student), asked), new=not force)
        rows.append({"student": one.student, **{f"{part.lesson}": f"{part.name}: {part.key}" for part in asked}})
    write_text(folder / "keys.csv", to_csv(rows), new=not force)
