"""`nanochat learn roster`: whose variants are whose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ....plain import shown_path
from ...console import print_result
from ...options import ReplaceFlag
from ...parser import Commands

commands = Commands()


@commands.work("roster", "nanochat learn roster students.csv --course spring --out roster.csv")
def roster(
    students: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV with a column `student`.", readable=False)],
    *,
    course: Annotated[str, typer.Option(metavar="NAME", help="As in everybody's course.toml.")] = "",
    out: Annotated[
        Path, typer.Option(help="File to write.", metavar="FILE", readable=False, rich_help_panel="Output")
    ] = Path("roster.csv"),
    force: ReplaceFlag = False,
) -> None:
    """Write the seed and the variants of each student, a row each, for `learn grade --roster`.

    A seed or a variant that stands in the file already is kept, so that a cell changed by hand stays as it is.
    """
    from ....course.grading.roster import read_roster, roster_csv
    from ....storage.atomic import write_text
    from ...folders import check_free_file

    if not force:
        check_free_file(out)
    found = read_roster(students, course)
    write_text(out, roster_csv(found), new=not force)
    print_result(f"{len(found)} students\nwritten: {shown_path(out)}")
