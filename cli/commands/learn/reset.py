"""`nanochat learn reset`: an exercise from the beginning; what you wrote is kept."""

from __future__ import annotations

from ....plain import shown_path
from ...console import print_result
from ...parser import Commands
from .folder import HERE, DirOption, ExerciseArgument, find_begun

commands = Commands()


@commands.work("reset", "nanochat learn reset 1a")
def reset(exercise: ExerciseArgument = "", *, dir: DirOption = HERE) -> None:
    """Write the beginning of an exercise again; your file becomes a copy with a number."""
    from ....course import workspace

    space, key = find_begun(dir, exercise)
    path, copy = workspace.reset(space, key)
    if copy:
        print_result(f"what you wrote is kept: {shown_path(copy)}")
    print_result(f"written: {shown_path(path)}")
