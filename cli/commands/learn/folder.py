"""What the commands of `learn` share: the student's folder and the exercise that is meant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ....errors import DataError

if TYPE_CHECKING:
    from ....course.progress import Progress
    from ....course.workspace import Workspace

DirOption = Annotated[Path, typer.Option("--dir", help="Your course's folder.", metavar="DIR", readable=False)]
ExerciseArgument = Annotated[
    str,
    typer.Argument(metavar="[EXERCISE]", help="3a; 3 or probabilities for its exercise a; where you are if left out."),
]
ComparedArgument = Annotated[
    str, typer.Argument(metavar="[EXERCISE]", help="3a; the one that you passed last if left out.")
]
HERE = Path()


def find(folder: Path, name: str) -> tuple[Workspace, str]:
    """The student's folder and the key of the exercise `name`, or of the one that they are at."""
    from ....course.lessons import find_key
    from ....course.workspace import open_workspace

    space = open_workspace(folder)
    return space, find_key(name) if name else current(space.progress())


def find_begun(folder: Path, name: str) -> tuple[Workspace, str]:
    """As `find`. Raises DataError where the lesson is not begun: there is no file to reset or to have a hint for."""
    space, key = find(folder, name)
    if key not in space.progress().lessons:
        lesson = command(f"start {key[:-1]}", folder)
        raise DataError(f"{key} is not begun here: `{lesson}` writes its lesson and its file")
    return space, key


def current(progress: Progress) -> str:
    """The must that was begun and not passed, or else the first that was not passed; the last one at the end."""
    from ....course.lessons import LESSONS

    musts = [lesson.keys[0] for lesson in LESSONS]
    left = [key for key in musts if progress.attempt(key).status != "passed"]
    begun = [key for key in left if key in progress.lessons]
    return (begun or left or musts[-1:])[0]


def latest(progress: Progress) -> str:
    """The exercise that was passed last; where none was, the one that the student is at."""
    passed = [(one.passed, key) for key, one in progress.lessons.items() if one.passed]
    return max(passed)[1] if passed else current(progress)


def command(words: str, folder: Path) -> str:
    """A command to type, with the folder where it is not the one one is in."""
    from shlex import quote

    where = "" if folder == HERE else f" --dir {quote(str(folder))}"
    return f"nanochat learn {words}{where}"
