"""From what came from outside (JSON, a file of settings, a flag) to a checked dataclass, or a clear sentence.

Ground for the floors, like errors.py. pydantic does the checking and is imported when it is first needed: it costs
100 ms, and `--help` needs none of it.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar

from .errors import ConfigError, NanochatError
from .plain import shown_path

T = TypeVar("T")


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


def _as_text(value: Any) -> Any:
    """A path from the command line with a byte that is no text, as text: other settings have none."""
    is_text = not isinstance(value, str) or value.isascii() or value.encode("utf-8", "ignore").decode() == value
    return value if is_text else shown_path(value)


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
