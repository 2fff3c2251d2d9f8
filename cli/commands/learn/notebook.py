"""`nanochat learn notebook`: a lesson as a Jupyter notebook, without outputs."""

from __future__ import annotations

from typing import Annotated

import typer

from ....plain import shown_path
from ...console import print_result
from ...options import ReplaceFlag
from ...parser import Commands
from .folder import HERE, DirOption

commands = Commands()


@commands.work("notebook", "nanochat learn notebook 1")
def notebook(
    lesson: Annotated[str, typer.Argument(metavar="[LESSON]", help="1, or value; where you are if left out.")] = "",
    *,
    dir: DirOption = HERE,
    force: ReplaceFlag = False,
) -> None:
    """Write the lesson as lesson.ipynb: every example a cell to run, its result left out."""
    from ....course.lessons import find_lesson
    from ....course.notebooks import write_notebook
    from ....course.workspace import open_workspace
    from ...folders import check_free_file
    from .folder import current

    space = open_workspace(dir)
    found = find_lesson(lesson or current(space.progress()))
    path = space.folder / found.folder / "lesson.ipynb"
    if not force:
        check_free_file(path)
    write_notebook(found, path, new=not force)
    print_result(f"written: {shown_path(path)}")
