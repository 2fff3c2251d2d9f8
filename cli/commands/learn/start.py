"""`nanochat learn start`: a lesson and the beginnings of its exercises, into your folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ....plain import shown_path
from ...console import print_result
from ...parser import Commands
from .folder import HERE, DirOption, command

if TYPE_CHECKING:
    from ....course.workspace import Workspace
    from ....course.zoo.labs import Lab

commands = Commands()


@commands.work("start", "nanochat learn start 1 --dir my-course")
def start(
    lesson: Annotated[
        str, typer.Argument(metavar="[LESSON]", help="1, or value, or lab-a; the next lesson if left out.")
    ] = "",
    *,
    dir: DirOption = HERE,
) -> None:
    """Write a lesson's text, its pictures and the beginnings of its exercises. What is there stays as it is."""
    from ....course.lessons import find_lesson
    from ....course.workspace import SETTINGS, open_workspace
    from ....course.workspace import start as begin
    from ....course.zoo.labs import find_lab
    from .folder import current

    space = open_workspace(dir)
    lab = find_lab(lesson)
    if lab:
        _start_lab(space, lab)
        return
    found = find_lesson(lesson or current(space.progress()))
    files = begin(space, found)
    for path, is_new in files:
        if path.suffix != ".svg":
            print_result(f"{'written' if is_new else 'is there already, and stays'}: {shown_path(path)}")
    if not space.settings.student and any(is_new for _, is_new in files):
        print_result(
            f"\nNobody is named in {SETTINGS}, so your formulas are those of everybody without a name. For your\n"
            "own, write your name there, and then:"
        )
        for key in found.keys:
            print_result(f"  {command(f'reset {key}', dir)}")
    print_result(
        f"\nLesson {found.number}, {found.title}: {found.idea}.\n"
        f"Read lesson.md (about {found.reading_min} minutes), write {space.path(found.keys[0]).name}, ask the laws:\n"
        f"  {command(f'check {found.keys[0]}', dir)}"
    )


def _start_lab(space: Workspace, lab: Lab) -> None:
    """A page: what is hunted lies in the program itself."""
    from ....course.workspace import start_lab

    path, is_new = start_lab(space, lab)
    print_result(f"{'written' if is_new else 'is there already, and stays'}: {shown_path(path)}")
    print_result(
        f"\nLab {lab.letter.upper()}, {lab.title}: {lab.idea}.\n"
        f"Read it (about {lab.minutes} minutes with what there is to do), and begin with:\n"
        f"  nanochat zoo show {lab.first}\n"
        f"Your points:\n"
        f"  nanochat zoo list --lab {lab.letter}"
    )
