"""`nanochat learn hint`: the next of three hints."""

from __future__ import annotations

from ...console import print_result
from ...parser import Commands
from .folder import HERE, DirOption, ExerciseArgument, find_begun

commands = Commands()


@commands.work("hint", "nanochat learn hint 1a")
def hint(exercise: ExerciseArgument = "", *, dir: DirOption = HERE) -> None:
    """The first hint; again for the next. They stay readable after passing."""
    from ....course.lessons import find_exercise
    from ....course.workspace import take_hint

    space, key = find_begun(dir, exercise)
    hints = find_exercise(key).hints
    number = take_hint(space, key)
    for i, text in enumerate(hints[: number + 1]):
        print_result(f"{key}, hint {i + 1} of {len(hints)}: {text}")
