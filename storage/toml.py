"""A file of settings, as people write them: TOML, read once, as plain JSON values."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .reading import Wording, decode_text, read_bytes

_LARGEST = 1 << 20
_DEEPEST = 32
"""Parts of a dotted key: tomllib takes the square of their number."""
_DEEP_KEY = re.compile(rf"""(?<![\w-])(?:(?>[\w-]+|"[^"\n]*"|'[^'\n]*')(?>[ \t]*)\.(?>[ \t]*)){{{_DEEPEST}}}""")


def read_toml_table(path: Path, flag: str) -> dict[str, Any]:
    """The content of a TOML file that `flag` names, as plain JSON values: TOML knows dates, no setting of ours does.

    Raises ConfigError.
    """
    wording = Wording(
        error=ConfigError,
        missing=f"{flag} {{path}} does not exist: check the path",
        irregular=f"{flag} {{path}} is no regular file: name a TOML file",
        no_path=f"{flag} {{path!r}} is no path ({{why}}): name a TOML file",
        too_large=f"{flag} {{path}} has {{size:,}} bytes, more than any settings: name a TOML file",
        refused=f"{flag} {{sentence}}",
    )
    text = decode_text(read_bytes(path, wording, limit=_LARGEST), f"{flag} {path}", ConfigError)
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
