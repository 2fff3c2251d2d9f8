"""How a data file is read, and what is done with its rows: the settings of `nanochat data`, each with its flag."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args, get_type_hints

from ...errors import ConfigError
from ...setting import setting

RowLayout = Literal["auto", "stream", "documents", "chat"]


@dataclass(frozen=True, kw_only=True)
class RowOptions:
    """How to read a data file. The defaults lose nothing in silence: what is doubtful is an error."""

    layout: RowLayout = setting(
        "auto", "What the file holds: texts, conversations, or one text as a whole.", flag="--layout"
    )
    """chat: each row is a conversation.  documents: each is a text.  stream: a plain text is one text as a whole.
    auto: chat if the first row is one (messages, or `User: ... Assistant: ...`), else documents; a plain text is
    documents, one a line."""
    text_field: str = setting(
        "", "Field of objects, or column of a CSV by name or number.", flag="--text-field", metavar="NAME"
    )
    """From 1, if it is a number; "" is `text` or `messages`, or the only one."""
    header: Literal["auto", "yes", "no"] = setting(
        "auto", "Whether the first row of a CSV names its columns.", flag="--header"
    )
    """auto: if one of its cells is the name of the text's column, be it in capitals."""
    delimiter: str = setting(
        "", "Between the cells of a CSV; a comma, in a .tsv a tab.", flag="--delimiter", metavar="CHAR"
    )
    """One character; "" is the usual one."""
    on_empty: Literal["error", "drop"] = setting("error", "A row without text.", flag="--on-empty")
    """A row of white space only. Blank lines between rows are no rows: they are counted and left out."""
    on_duplicate: Literal["keep", "drop", "error"] = setting(
        "keep", "A row equal to an earlier one.", flag="--on-duplicate"
    )
    max_chars: int = setting(
        0, "More characters are over-long; 0 is no limit.", flag="--max-chars", least=0, most=math.inf
    )
    """Of a conversation those of all its messages together."""
    on_long: Literal["error", "drop", "truncate"] = setting("error", "An over-long row.", flag="--on-long")
    """truncate keeps the first `max_chars` characters of a document."""

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(RowOptions).items():
            value, allowed = getattr(self, name), get_args(kind)
            if allowed and value not in allowed:
                raise ConfigError(f"{name}={value!r} is unknown: choose one of {', '.join(allowed)}")
        if self.max_chars < 0:
            raise ConfigError(
                f"max_chars={self.max_chars} is negative: choose 0 for no limit",
                settings=(("max_chars", self.max_chars),),
            )
        if self.on_long != "error" and self.max_chars == 0:
            raise ConfigError(
                f"on_long={self.on_long!r} has no effect without a limit: give max_chars=N",
                settings=(("on_long", self.on_long), ("max_chars", "N")),
            )
        if self.delimiter and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise ConfigError(
                f"delimiter={self.delimiter!r} cannot separate cells: choose one character, such as ;",
                settings=(("delimiter", self.delimiter),),
            )
