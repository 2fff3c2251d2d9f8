"""JSON that means one thing: what Python's reader lets pass beyond that is refused."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from ..errors import CheckpointError, TooLargeError


class LooseJSON(ValueError):
    """What Python takes for JSON although it means two things or nothing: a key that stands twice, NaN, 1e999."""


def finite_or_null(content: Any) -> Any:
    """`content`, a number, a table or a list of them; JSON has no word for nan and inf: None in their place."""
    if isinstance(content, Mapping):
        return {name: finite_or_null(value) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [finite_or_null(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def held_by_a_float(value: Any) -> Any:
    """`value`; None, which stands for nan, as nan. Raises OverflowError for a whole number too large for arithmetic."""
    if value is None:
        return math.nan
    if type(value) is int:
        float(value)
    return value


def strict_json(raw: bytes | memoryview, path: Path) -> Any:
    """What JSON text means, if it means one thing: no NaN, no key twice, UTF-8. Raises CheckpointError.

    1e999 is still infinite here and "\\ud800" still no character: `check_writable` finds both in what is left to it.
    """
    return parse_json(decode(raw, path), path)


def decode(raw: bytes | memoryview, path: Path) -> str:
    """UTF-8 as text. Raises CheckpointError."""
    try:
        return str(raw, "utf-8")
    except ValueError as error:
        raise CheckpointError(f"{path} cannot be read as JSON ({error}): restore it from a copy") from error


def parse_json(text: str, path: Path, reduce: Callable[[dict[str, Any]], Any] = lambda content: content) -> Any:
    """`strict_json` of text; `reduce` may put something smaller in the place of an object as soon as it is complete."""

    def complete(pairs: list[tuple[str, Any]]) -> Any:
        return reduce(_without_twins(pairs))

    try:
        return json.loads(text, parse_constant=_refuse_number, object_pairs_hook=complete)
    except MemoryError as error:
        raise TooLargeError(f"{path} needs more memory than there is: free some") from error
    except (ValueError, RecursionError) as error:
        what = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise CheckpointError(f"{path} cannot be read as JSON ({what}): restore it from a copy") from error


def check_header(content: Any, path: Path) -> dict[str, Any]:
    """`content`, if it is a JSON object that could be written again. Raises CheckpointError."""
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is damaged (its header is no JSON object): restore it from a copy")
    check_writable(content, path)
    return content


def check_writable(content: Any, path: Path) -> None:
    """Raises CheckpointError on 1e999, which Python reads as inf, and on half a surrogate pair, which is no text."""
    try:
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:  # TypeError: numbers of an array where none belongs
        raise CheckpointError(f"{path} cannot be read as JSON ({error}): restore it from a copy") from error


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of a key that stands twice Python takes the last in silence. Raises LooseJSON."""
    content = dict(pairs)
    if len(content) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise LooseJSON(f"key {twice[:40]!r} stands twice in one object")
    return content


def _refuse_number(word: str) -> NoReturn:
    """Raises LooseJSON: NaN and Infinity, which Python reads and we never write."""
    raise LooseJSON(f"{word[:20]} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse_number(digits)


STRICT_JSON = json.JSONDecoder(object_pairs_hook=_without_twins, parse_constant=_refuse_number, parse_float=_finite)
"""Reads JSON that means one thing. Raises LooseJSON, or ValueError and RecursionError as any decoder does."""
