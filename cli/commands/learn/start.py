"""`nanochat learn start`: a lesson and the beginnings of its exercises, into your folder."""

from __future__ import annotations

from typing import Annotated

import typer

from ....plain import shown_path
from ...console import print_result
from ...parser import Commands
from .folder import HERE, DirOption, command

commands = Commands()


@commands.work("start", "nanochat learn start 1 --dir my-course")
def start(
    lesson: Annotated[str, typer.Argument(metavar="[LESSON]", help="1, or value; the next one if left out.")] = "",
    *,
    dir: DirOption = HERE,
) -> None:
    """Write a lesson's text, its pictures and the beginnings of its exercises. What is there stays as it is."""
    from ....course.lessons import find_lesson
    from ....course.workspace import SETTINGS, open_workspace
    from ....course.workspace import start as begin
    from .folder import current

    space = open_workspace(dir)
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
