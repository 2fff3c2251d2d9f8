"""A student's file as text: what keeps it from being run at all, each its own sentence. Nothing of it is run here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import DataError
from ..storage.reading import Wording, decode_text, read_bytes
from .exercise import STANDARD, Exercise

_LARGEST = 1 << 20
_WORDING = Wording(
    error=DataError,
    missing="{path} does not exist: write it with `nanochat learn start`, or name your file",
    irregular="{path} is no regular file: name the .py file with your answer",
    is_folder="{path} is a folder: name the .py file in it",
    no_path="{path!r} is no path ({why}): name the .py file with your answer",
    too_large="{path} has {size:,} bytes, and an answer has a page: name the .py file with your answer",
)
_NOT_FOR_EXERCISES = frozenset("__import__ __builtins__ __loader__ __spec__ eval exec compile globals".split())
"""Names by which code reaches what it was not given."""


def read_source(path: Path) -> str:
    """The text of a student's file. Raises DataError where there is none that Python could read."""
    text = decode_text(read_bytes(path, _WORDING, limit=_LARGEST), str(path), DataError)
    if path.suffix == ".ipynb" or re.match(r'\s*\{\s*"(cells|metadata|nbformat)"', text):
        raise DataError(f"{path} is a notebook: save the cell with your answer as a .py file and name that")
    return text


def obstacle(exercise: Exercise, text: str, starter: str) -> str:
    """Why the file cannot be judged, as far as reading shows; '' where it may be run."""
    if not text.strip():
        return f"the file is empty: `nanochat learn reset` writes the beginning of {exercise.file} again"
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}, so Python cannot read the file"
    except (RecursionError, MemoryError, ValueError) as error:
        return f"Python cannot read the file ({error})"
    return next(
        (sentence for sentence in (_foreign(exercise, tree), _missing(exercise, tree, starter)) if sentence), ""
    )


def _foreign(exercise: Exercise, tree: ast.Module) -> str:
    """An import, or a name, by which an answer could come from elsewhere."""
    for line, module in _imports(tree):
        if not any(f"{module}.".startswith(f"{name}.") for name in (*STANDARD, *exercise.allowed)):
            may = ", ".join(exercise.allowed) or "Python's own math, random and the like"
            return f"line {line} imports {module}: this exercise is to be written by hand and may import {may}"
    for node in ast.walk(tree):
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if name in _NOT_FOR_EXERCISES:
            return f"line {getattr(node, 'lineno', 0)} uses {name}, which no exercise needs: write the answer itself"
    return ""


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{home}.{alias.name}") for alias in node.names)


def _missing(exercise: Exercise, tree: ast.Module, starter: str) -> str:
    """A function that is not there, or nothing written in any: what is still empty waits for its own laws."""
    defined, first = _definitions(tree), _definitions(ast.parse(starter))
    assigned = {target.id for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in _names(node)}
    for name in exercise.asks:
        if name not in defined:
            if name in assigned:
                return f"{name} is not written with def or class: write it out"
            return f"there is no {name} in the file: it is what this exercise asks for"
    if all(ast.dump(defined[name]) == ast.dump(first[name]) or _is_blank(defined[name]) for name in exercise.asks):
        return f"{exercise.asks[0]} is still empty: write it where the dots are, and check again"
    return ""


def _definitions(tree: ast.Module) -> dict[str, ast.stmt]:
    kinds = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
    return {node.name: node for node in ast.walk(tree) if isinstance(node, kinds)}


def _names(node: ast.Assign) -> Iterator[ast.Name]:
    return (target for target in node.targets if isinstance(target, ast.Name))


def _is_blank(node: ast.stmt) -> bool:
    """A body of nothing but words, dots, pass, and `return None`."""
    if not isinstance(node, ast.FunctionDef):
        return False
    return all(
        isinstance(one, ast.Pass)
        or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
        or (isinstance(one, ast.Return) and (one.value is None or _is_nothing(one.value)))
        or (isinstance(one, ast.Raise) and "NotImplementedError" in ast.dump(one))
        for one in node.body
    )


def _is_nothing(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value in (None, ...)
