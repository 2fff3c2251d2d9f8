"""`nanochat learn compare`: your function beside the project's, after passing."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from ....errors import GuardError
from ....plain import shown_path
from ...parser import Commands
from .folder import HERE, ComparedArgument, DirOption, command, latest

commands = Commands()


@commands.work("compare", "nanochat learn compare 1a")
def compare(
    exercise: ComparedArgument = "",
    *,
    give_up: Annotated[bool, typer.Option("--give-up", help="Before passing; it is kept in progress.json.")] = False,
    dir: DirOption = HERE,
) -> None:
    """Show your answer, and the code of the project that does the same work, with file and line."""
    from ....course import workspace
    from ....course.lessons import find_exercise, find_key
    from ....course.source import read_source
    from ...display.course import print_sources

    space = workspace.open_workspace(dir)
    key = find_key(exercise) if exercise else latest(space.progress())
    if space.progress().attempt(key).status != "passed":
        if not give_up:
            raise GuardError(
                f"{key} is not passed yet, and the project's code would tell you all of it: try "
                f"`{command(f'hint {key}', dir)}`, or add --give-up to see it now (that is kept)"
            )
        workspace.give_up(space, key)
    one, path = find_exercise(key), space.path(key)
    yours = _definitions(read_source(path), one.asks) if path.exists() else []
    pieces = [(f"yours: {shown_path(path)}, line {line}", code) for line, code in yours]
    print_sources([*pieces, _projects(one.project)])


def _definitions(text: str, names: tuple[str, ...]) -> list[tuple[int, str]]:
    """(line, source) of what the exercise asks for; of a file that Python cannot read all of it."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return [(1, text)]
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [
        (node.lineno, ast.get_source_segment(text, node) or "")
        for node in body
        if isinstance(node, kinds) and node.name in names
    ]


def _projects(address: str) -> tuple[str, str]:
    """The place and the source of `module:name`."""
    module, _, name = address.partition(":")
    found = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    lines, first = inspect.getsourcelines(found)
    path = Path(inspect.getsourcefile(found) or "")
    return f"the project's: {shown_path(path)}, line {first}", inspect.cleandoc("\n" + "".join(lines))
