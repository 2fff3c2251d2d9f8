"""From what came from outside (JSON, a file of settings, a flag) to a checked dataclass, or a clear sentence.

Ground for the floors, like errors.py. pydantic does the checking and is imported when it is first needed: it costs
100 ms, and `--help` needs none of it.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
import stat
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from .errors import ConfigError, NanochatError, unreadable
from .plain import shown_path

T = TypeVar("T")
_LARGEST_TOML = 1 << 20
_DEEPEST = 32
"""Parts of a dotted key: tomllib takes the square of their number."""
_DEEP_KEY = re.compile(rf"""(?<![\w-])(?:(?>[\w-]+|"[^"\n]*"|'[^'\n]*')(?>[ \t]*)\.(?>[ \t]*)){{{_DEEPEST}}}""")


class LooseJSON(ValueError):
    """What Python takes for JSON although it means two things or nothing: a key that stands twice, NaN, 1e999."""


def without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of a key that stands twice Python takes the last in silence. Raises LooseJSON."""
    content = dict(pairs)
    if len(content) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise LooseJSON(f"key {twice[:40]!r} stands twice in one object")
    return content


def refuse_number(word: str) -> NoReturn:
    """Raises LooseJSON: NaN and Infinity, which Python reads and we never write."""
    raise LooseJSON(f"{word[:20]} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else refuse_number(digits)


STRICT_JSON = json.JSONDecoder(object_pairs_hook=without_twins, parse_constant=refuse_number, parse_float=_finite)
"""Reads JSON that means one thing. Raises LooseJSON, or ValueError and RecursionError as any decoder does."""


def read_dataclass(cls: type[T], content: Any, where: str, error: type[NanochatError] = ConfigError) -> T:
    """The dataclass `cls` with the fields of `content`: names known, types as declared, nothing converted.

    What is left out has its default. Raises `error`, naming `where` and the field; a NanochatError of the class's own
    checks passes through.
    """
    from pydantic import ValidationError

    prefix = f"{where}." if where else ""
    if not isinstance(content, Mapping):
        raise error(f"{where}={reprlib.repr(content)} is not a table of named values: write its fields by name")
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # a dataclass
    for name in content:
        if name not in names:
            raise error(f"there is no setting {prefix}{name}: {nearest(str(name), names)}")
    content = {name: _as_text(value) for name, value in content.items()}
    adapter = _adapter(cls)  # type: ignore[arg-type]  # a class has a hash
    try:
        if any(is_dataclass(value) for value in content.values()):
            return adapter.validate_python(content)
        return adapter.validate_json(json.dumps(content), strict=True)
    except ValidationError as failure:
        first = failure.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, NanochatError):
            raise cause from None
        place = ".".join(map(str, first["loc"]))
        given = "" if first["type"] == "missing" else f"={reprlib.repr(first['input'])}"
        raise error(f"{prefix}{place}{given} does not fit: {first['msg'].lower()}") from None


def read_toml_table(path: Path, flag: str) -> dict[str, Any]:
    """The content of a TOML file that `flag` names, as plain JSON values: TOML knows dates, no setting of ours does.

    Raises ConfigError.
    """
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):  # a pipe or a device may never end
            raise ConfigError(f"{flag} {path} is no regular file: name a TOML file")
        if info.st_size > _LARGEST_TOML:
            raise ConfigError(f"{flag} {path} has {info.st_size:,} bytes, more than any settings: name a TOML file")
        text = decode_text(path.read_bytes(), f"{flag} {path}", ConfigError)
    except FileNotFoundError as error:
        raise ConfigError(f"{flag} {path} does not exist: check the path") from error
    except OSError as error:
        raise ConfigError(f"{flag} {unreadable(error, path)}") from error
    except ConfigError:
        raise
    except ValueError as error:  # a NUL in the path
        raise ConfigError(f"{flag} {str(path)!r} is no path ({error}): name a TOML file") from error
    if deep := _DEEP_KEY.search(text):
        line = text.count("\n", 0, deep.start()) + 1
        raise ConfigError(f"{flag} {path}, line {line}: a key of over {_DEEPEST} parts: no setting lies so deep")
    try:
        content: dict[str, Any] = json.loads(json.dumps(tomllib.loads(text), default=str))
    except (ValueError, RecursionError) as error:  # no TOML, a number of 5,000 digits
        raise ConfigError(
            f"{flag} {path} is not valid TOML ({error}): mend it there; a line is e.g. steps = 500, "
            'text stands in "quotation marks", a section begins with [training]'
        ) from error
    return content


def _as_text(value: Any) -> Any:
    """A path from the command line with a byte that is no text, as text: other settings have none."""
    is_text = not isinstance(value, str) or value.isascii() or value.encode("utf-8", "ignore").decode() == value
    return value if is_text else shown_path(value)


def decode_text(raw: bytes, where: str, error: type[NanochatError], *, offset: int = 0, n_lines: int = 0) -> str:
    """The UTF-8 text of bytes from outside, without a byte order mark at its beginning.

    The bytes begin at `offset` of their file `where`, after `n_lines` lines. Raises `error`, naming line and byte.
    """
    zero = raw.find(b"\0")
    if zero >= 0:
        line = n_lines + _n_line_ends(raw[:zero]) + 1
        raise error(
            f"{where}, line {line}: a NUL at byte {offset + zero}, so it is binary or UTF-16: save it as UTF-8 text"
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as failure:
        line = n_lines + _n_line_ends(raw[: failure.start]) + 1
        raise error(
            f"{where}, line {line}: not UTF-8, byte 0x{raw[failure.start]:02x} at byte offset {offset + failure.start} "
            "begins no character: save the file as UTF-8"
        ) from None
    return text.removeprefix("\ufeff") if offset == 0 else text


def _n_line_ends(raw: bytes) -> int:
    return raw.count(b"\n") + raw.count(b"\r") - raw.count(b"\r\n")


@cache
def _adapter(cls: type[Any]) -> Any:
    """Building one costs more than using it."""
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def nearest(name: str, names: Iterable[str]) -> str:
    """'did you mean X?' where something is close, else the whole list."""
    known = list(names)
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else "choose one of " + ", ".join(known)
