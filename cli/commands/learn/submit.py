"""`nanochat learn submit`: one file to hand in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ....plain import shown_path
from ...console import print_result, say
from ...options import ReplaceFlag
from ...parser import Commands
from .folder import HERE, DirOption

commands = Commands()


@commands.work("submit", "nanochat learn submit --out mine.zip")
def submit(
    *,
    dir: DirOption = HERE,
    out: Annotated[
        Path, typer.Option(help="File to write.", metavar="FILE", readable=False, rich_help_panel="Output")
    ] = Path("submission.zip"),
    force: ReplaceFlag = False,
) -> None:
    """Put your answers, progress.json and a receipt with their sha256 into one zip."""
    from ....course.submission import submit as pack
    from ....course.workspace import SETTINGS, open_workspace
    from ...folders import check_free_file

    space = open_workspace(dir)
    if not force:
        check_free_file(out)
    for name in pack(space, out, new=not force):
        print_result(f"  {name}")
    print_result(f"written: {shown_path(out)}")
    if not space.settings.student:
        say(f"nobody is named in {SETTINGS}: write your name there and submit again with --force")
