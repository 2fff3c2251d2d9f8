"""JSON and JSON Lines: one value a row, with the place where it begins. Knows no texts and no conversations.

Strict where Python's reader is not: a key that stands twice in one object, NaN and Infinity are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from ...errors import DataError
from ...storage.strict_json import STRICT_JSON, LooseJSON
from .rows import BLANK, Complain, Row
from .text import read_text

_CUT = "close it, or restore the file if it was cut off"
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
            value, end = STRICT_JSON.raw_decode(text, at)
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
            value = STRICT_JSON.decode(line)
        except (ValueError, RecursionError) as failure:
            where, what = _reason(failure, line, number)
            if line.startswith("\ufeff"):
                what = "a byte order mark inside the file, as joining two leaves it: remove it"
            elif line.strip() in ("[", "{"):
                what = "a value over several lines: write one a line, or an array of rows into a file named .json"
            complain(DataError(f"{spec}, {where}: {what}"))
            continue
        yield Row(spec, number, 0, value)


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
        _, end = STRICT_JSON.raw_decode(text, at)
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
    if isinstance(failure, LooseJSON):
        return where, f"{failure}: mend the row"
    if not isinstance(failure, json.JSONDecodeError):
        return where, "a number of too many digits: write it as a string"
    is_in_string = failure.msg.startswith("Unterminated string")
    if is_in_string or failure.pos >= len(text.rstrip()):
        return (
            where,
            f"the {'file' if place else 'line'} ends inside {'a string' if is_in_string else 'the row'}: {_CUT}",
        )
    where = f"line {place.line(failure.pos) if place else line}, column {failure.colno}"
    what = failure.msg[0].lower() + failure.msg[1:].removesuffix(" at")
    return where, f"this is no JSON ({what}): mend the row"
