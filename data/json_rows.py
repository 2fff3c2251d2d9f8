"""JSON and JSON Lines: one value a row, with the place where it begins. Knows no texts and no conversations.

Strict where Python's reader is not: a key that stands twice in one object, NaN and Infinity are refused.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from ..errors import DataError
from .reading import read_text
from .rows import BLANK, Complain, Row

_CUT = "it was cut off, restore it"
_SPACE = re.compile(r"[ \t\n\r]*")


def json_rows(spec: str) -> Iterator[Row]:
    """The elements of the array in a `.json` file, each decoded when it is asked for. Raises DataError."""
    text = read_text(spec)
    place = _Place(text)
    at = _skip(text, 0)
    if not text.startswith("[", at):
        raise DataError(f"{spec}, line {place.line(at)}: {_no_array(text, at)}")
    at, number = _skip(text, at + 1), 0
    is_open = not text.startswith("]", at)
    if not is_open:
        at = _skip(text, at + 1)
    while is_open:
        number += 1
        line = place.line(at)
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as failure:
            where, what = _reason(failure, text, line, place)
            raise DataError(f"{spec}, row {number} ({where}): {what}") from None
        yield Row(spec, line, number, value)
        at = _skip(text, end)
        is_open = text.startswith(",", at)
        if not is_open and not text.startswith("]", at):
            what = f"{text[at : at + 20]!r} where a comma or ] is due: mend what follows row {number}"
            what = what if at < len(text) else f"the file ends in the array after row {number}: {_CUT}"
            raise DataError(f"{spec}, line {place.line(at)}: {what}")
        at = _skip(text, at + 1)
    if at < len(text):
        raise DataError(f"{spec}, line {place.line(at)}: more text after the end of the array: remove it")


def jsonl_rows(spec: str, lines: Iterable[tuple[int, str]], complain: Complain) -> Iterator[Row]:
    """The value of each line of a `.jsonl` file; a blank line is a row BLANK."""
    for number, line in lines:
        if not line.strip():
            yield Row(spec, number, 0, BLANK)
            continue
        try:
            value = _DECODER.decode(line)
        except (ValueError, RecursionError) as failure:
            where, what = _reason(failure, line, number)
            if line.startswith("\ufeff"):
                what = "a byte order mark inside the file, as joining two leaves it: remove it"
            elif line.strip() in ("[", "{"):
                what = "a value over several lines: write one a line, or an array of rows into a file named .json"
            complain(DataError(f"{spec}, {where}: {what}"))
            continue
        yield Row(spec, number, 0, value)


class _Refused(ValueError):
    """JSON that Python would read, and that means two things or nothing."""


class _Place:
    """Lines of positions that grow: each part of the text is counted once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.counted, self.number = 0, 1

    def line(self, at: int) -> int:
        """From 1."""
        if at < self.counted:  # only for a message
            return self.text.count("\n", 0, at) + 1
        self.number += self.text.count("\n", self.counted, at)
        self.counted = at
        return self.number


def _skip(text: str, at: int) -> int:
    """The position after white space."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _no_array(text: str, at: int) -> str:
    """What stands at the beginning of a file that should be an array."""
    if at == len(text):
        return "nothing but white space: write an array of rows, [...]"
    if text[at] != "{":
        return f"{text[at : at + 20]!r} begins no array: write an array of rows, [...]"
    try:
        _, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return "an object where an array of rows is due: write [...] around the rows"
    if text.startswith("{", _skip(text, end)):
        return "one object after the other: name the file .jsonl, or write [...] around them and commas between"
    return "one object where an array of rows is due: write [...] around it, or name the file .jsonl"


def _reason(failure: Exception, text: str, line: int, place: _Place | None = None) -> tuple[str, str]:
    """Where, and what is wrong and how to mend it, of a row that begins at `line`; `place` where it may end later."""
    where = f"line {line}"
    if isinstance(failure, RecursionError):
        return where, "nested too deep: write a text, or an object with a text or messages"
    if isinstance(failure, _Refused):
        return where, str(failure)
    if not isinstance(failure, json.JSONDecodeError):
        return where, "a number of too many digits: write it as a string"
    if failure.pos >= len(text.rstrip()) or failure.msg.startswith("Unterminated string"):
        return where, f"the {'file' if place else 'line'} ends in the middle of the row: {_CUT}"
    where = f"line {place.line(failure.pos) if place else line}, column {failure.colno}"
    what = failure.msg[0].lower() + failure.msg[1:].removesuffix(" at")
    return where, f"this is no JSON ({what}): mend the row"


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise _Refused(f"key {twice[:40]!r} stands twice in one object: remove one of the two")
    return content


def _constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is no JSON: write a number, a string or null")


def _finite(digits: str) -> float:
    """A number; Python reads 1e999 as infinite."""
    number = float(digits)
    return number if math.isfinite(number) else _constant(digits[:20])


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_finite)
