"""From a mapping that came from outside (a file, the environment, a flag) to a checked dataclass, or a clear sentence.

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
    adapter = _adapter(cls)  # type: ignore[arg-type]  # a class has a hash
    try:
        if any(is_dataclass(value) for value in content.values()):
            return adapter.validate_python(dict(content))
        return adapter.validate_json(json.dumps(dict(content)), strict=True)
    except ValidationError as failure:
        first = failure.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, NanochatError):
            raise cause from None
        place = ".".join(map(str, first["loc"]))
        given = "" if first["type"] == "missing" else f"={reprlib.repr(first['input'])}"
        raise error(f"{prefix}{place}{given} does not fit: {first['msg'].lower()}") from None


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
