"""`nanochat learn`: where you stand, and what to do next."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import typer

from ...console import print_result
from ...parser import Commands, Work
from . import check, compare, grade, hint, notebook, reset, roster, start, submit, sweep
from .folder import HERE, DirOption, command, current

commands = Commands("The course: you write it, laws decide.", "nanochat learn")
commands.info.no_args_is_help = False
for part in (start, check, hint, compare, notebook, reset, sweep, submit, roster, grade):
    commands.registered_commands += part.commands.registered_commands


@commands.callback(invoke_without_command=True)
def _learn(context: typer.Context, *, dir: DirOption = HERE) -> Work | None:
    """The course: you write it, laws decide. Without a command: where you stand, and what is next."""
    return None if context.invoked_subcommand else partial(stand, dir)


def stand(folder: Path) -> None:
    """One line a lesson, and the one command to type next."""
    from ....course.lessons import LESSONS, find_lesson
    from ....course.workspace import open_workspace
    from ....course.zoo.labs import LABS
    from ...display.course import print_standing

    space = open_workspace(folder)
    progress = space.progress()
    print_standing(progress)
    print_result(f"\nA lab starts like a lesson: {command(f'start {LABS[0].word}', folder)}")
    key = current(progress)
    lesson = find_lesson(key)
    if all(progress.attempt(one.keys[0]).status == "passed" for one in LESSONS):
        print_result("\nEvery exercise a is passed. Those marked b are yours to try, and the labs.")
    elif key not in progress.lessons:
        print_result(f"\nNext: lesson {lesson.number}, {lesson.title}: {lesson.idea}.")
        print_result(f"  {command(f'start {lesson.number}', folder)}")
    else:
        answer = space.path(key)
        print_result(f"\nYou are at {key}. Read {answer.with_name('lesson.md')}, write {answer}, then:")
        print_result(f"  {command(f'check {key}', folder)}")
