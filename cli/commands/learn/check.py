"""`nanochat learn check`: the laws on what you wrote. Exit code 9 where one is broken."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ....errors import DataError, UsageError
from ....plain import shown_path
from ....validation import nearest
from ...console import print_json, print_result, say
from ...options import JsonFlag
from ...parser import Commands, Work
from .folder import HERE, DirOption, ExerciseArgument, command, find

if TYPE_CHECKING:
    from ....course.judging import Report
    from ....course.workspace import Workspace

commands = Commands()

Show = Callable[["Report", Path], None]
LAW_BROKEN = 9
_LOOK_EVERY_S = 0.5
"""By the time of change: works on every system and in containers, with no library."""


@commands.words("check", "nanochat learn check 1a --watch")
def _words(
    exercise: ExerciseArgument = "",
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Your answer, if it lies elsewhere.", readable=False)
    ] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Check again at every save, until all laws hold.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Inputs of this seed, to do it again.")] = None,
    law: Annotated[str, typer.Option(metavar="NAME", help="This law alone.")] = "",
    steps: Annotated[bool, typer.Option("--steps", help="Each number of the broken case beside a right one.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="No colour.")] = False,
    dir: DirOption = HERE,
    json: JsonFlag = False,
) -> Work:
    """Judge what you wrote: laws decide, and where a known mistake explains the numbers, it is named.

    Your file runs in a process of its own, with limits. That guards against accidents; it is no sandbox.
    """
    if watch and json:
        raise UsageError("--watch and --json do not go together: one is for people, the other is one document")
    show: Show = print_as_json if json else partial(print_for_people, plain=plain, steps=steps, folder=dir)
    return partial(work, exercise, file, watch=watch, seed=seed, law=law, folder=dir, show=show)


def work(
    exercise: str,
    file: Path | None,
    *,
    watch: bool,
    seed: int | None,
    law: str,
    folder: Path,
    show: Show,
) -> None:
    """Check once, or at every save."""
    from ....course.lessons import find_exercise

    space, key = find(folder, exercise)
    laws = [one.name for one in find_exercise(key).laws]
    if law and law not in laws:
        raise UsageError(f"--law {law} is no law of {key}: {nearest(law, laws)}")
    path = file or space.path(key)
    while True:
        seen = _stamp(path)
        try:
            report = check_once(space, key, path, seed=seed, law=law, show=show)
        except DataError as error:
            if not watch:
                raise
            say(f"{error}")
        else:
            if report.passed:
                return
            if not watch:
                raise typer.Exit(LAW_BROKEN)
        say("watching; Ctrl-C ends")
        while _stamp(path) == seen:
            time.sleep(_LOOK_EVERY_S)


def check_once(space: Workspace, key: str, path: Path, *, seed: int | None, law: str, show: Show) -> Report:
    """Judge, show, and keep what came of it."""
    from ....course.running import check
    from ....course.source import read_source
    from ....course.workspace import record_check

    text = read_source(path)
    space.progress()  # a damaged one is told of before the work
    report = check(key, path, variant=space.variant(key), seed=space.seed if seed is None else seed, law=law, text=text)
    show(report, path)
    if not law:
        record_check(space, key, path, report, text)
    return report


def print_as_json(report: Report, path: Path) -> None:
    """One document."""
    print_json({**report.to_dict(), "file": shown_path(path)})


def print_for_people(report: Report, path: Path, *, plain: bool, steps: bool, folder: Path) -> None:
    """The laws, why, and what to type next."""
    from ...display.course import print_report

    print_report(report, shown_path(path), plain=plain, steps=steps)
    key = report.exercise
    if report.passed and len(report.verdicts) > 1:
        print_result(f"compare: {command(f'compare {key}', folder)}        next: {command('', folder).rstrip()}")
    elif not report.passed:
        broken = next((one.law for one in report.verdicts if one.state == "broken"), "")
        again = f"check {key} --seed {report.seed} --law {broken}" if broken else f"check {key}"
        print_result(f"again: {command(again, folder)}        hint: {command(f'hint {key}', folder)}")


def _stamp(path: Path) -> tuple[int, int]:
    try:
        info = path.stat()
    except OSError:
        return 0, 0
    return info.st_mtime_ns, info.st_size
