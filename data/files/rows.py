"""What the rows of a data file become, and what is done with the empty, the over-long and the repeated ones.

Knows no file format: formats.py reads rows, this counts and keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from ...errors import ConfigError, DataError
from ..chat import Conversation

Format = Literal["text", "json", "jsonl", "csv"]
RowLayout = Literal["auto", "stream", "documents", "chat"]

Complain = Callable[[DataError], None]
"""Called with each row that cannot be read: raises it, or writes it down and lets the reader go on."""

Content = str | Conversation
"""What a row holds."""

BLANK = object()
"""The value of a line that holds nothing."""
DEFAULT_FIELD = "text"
"""Where the text of a row is, if nothing else is said."""


def find_column(wanted: str, names: Sequence[str]) -> str | None:
    """The one of `names` that is `wanted`, or else the only one that differs from it in case or outer spaces alone."""
    alike = [name for name in names if name.strip().casefold() == wanted.casefold()]
    return wanted if wanted in names else alike[0] if len(alike) == 1 else None


class Row(NamedTuple):
    """A row as its format gives it, not yet checked, and where it begins."""

    spec: str
    line: int
    """From 1; 0 of rows that are in no file."""
    number: int
    """Among the rows of a JSON array, from 1; 0 in formats where the line tells a row from the others."""
    value: object

    @property
    def where(self) -> str:
        """For messages."""
        if not self.number:
            return f"{self.spec}, line {self.line}"
        return f"{self.spec}, row {self.number}" + (f" (line {self.line})" if self.line else "")


@dataclass(frozen=True, kw_only=True)
class RowOptions:
    """How to read a data file. The defaults lose nothing in silence: what is doubtful is an error."""

    layout: RowLayout = "auto"
    """chat: each row is a conversation.  documents: each is a text.  stream: a plain text is one text as a whole.
    auto: chat if the first row is one (messages, or `User: ... Assistant: ...`), else documents; a plain text is
    documents, one a line."""
    text_field: str = ""
    """The field of objects, or the column of a CSV by name or by number from 1; "" is `text` or `messages`, or the
    only one."""
    header: Literal["auto", "yes", "no"] = "auto"
    """Whether the first row of a CSV names its columns; auto: if one of its cells is the name of the text's column,
    be it in capitals."""
    delimiter: str = ""
    """One character between the cells of a CSV; "" is a comma, in a .tsv a tab."""
    on_empty: Literal["error", "drop"] = "error"
    """A row of white space only. Blank lines between rows are no rows: they are counted and left out."""
    on_duplicate: Literal["keep", "drop", "error"] = "keep"
    """A row that is equal to an earlier one."""
    max_chars: int = 0
    """More characters make a row over-long, all messages of a conversation together; 0 is no limit."""
    on_long: Literal["error", "drop", "truncate"] = "error"
    """truncate keeps the first `max_chars` characters of a document."""

    def __post_init__(self) -> None:
        choices = {
            "layout": get_args(RowLayout),
            "header": ("auto", "yes", "no"),
            "on_empty": ("error", "drop"),
            "on_duplicate": ("keep", "drop", "error"),
            "on_long": ("error", "drop", "truncate"),
        }
        for name, allowed in choices.items():
            value = getattr(self, name)
            if value not in allowed:
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


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What was found in a file."""

    n_rows: int = 0
    """Rows read, kept or not."""
    n_blank_lines: int = 0
    """Lines without anything, which are no rows."""
    n_empty: int = 0
    n_long: int = 0
    n_duplicates: int = 0
    """Rows equal to an earlier one; after truncation, if there is any."""


@dataclass(frozen=True)
class Rows:
    """A data file, read: texts or conversations, one of the two is empty."""

    documents: tuple[str, ...]
    conversations: tuple[Conversation, ...]
    counts: Counts
    origin: str
    """The path as given."""
    format: Format
    text_field: str = ""
    """The field or column that was read, "" where rows have no fields."""
    unused_fields: tuple[str, ...] = ()
    """Other fields or columns, which are not read."""

    @property
    def is_chat(self) -> bool:
        """Whether these are conversations."""
        return bool(self.conversations)

    def __len__(self) -> int:
        return len(self.conversations or self.documents)


@dataclass
class RowFilter:
    """Takes the rows of a file one at a time: keeps, drops or refuses each as the options say, and counts."""

    options: RowOptions
    complain: Complain
    n_rows: int = 0
    n_empty: int = 0
    n_long: int = 0
    n_duplicates: int = 0
    _seen: dict[Content, int] = field(default_factory=dict)

    def take(self, content: Content, row: Row) -> Content | None:
        """What is kept of the row: all, its beginning, or None."""
        self.n_rows += 1
        kept = self._shorten(content, row) if self._is_full(content, row) else None
        return kept if kept is not None and self._is_new(kept, row) else None

    def counts(self, n_blank_lines: int) -> Counts:
        """Everything counted so far."""
        return Counts(
            n_rows=self.n_rows,
            n_blank_lines=n_blank_lines,
            n_empty=self.n_empty,
            n_long=self.n_long,
            n_duplicates=self.n_duplicates,
        )

    def _is_full(self, content: Content, row: Row) -> bool:
        if content.strip() if isinstance(content, str) else content:  # a conversation has no empty message
            return True
        self.n_empty += 1
        if self.options.on_empty == "error":
            what = "text" if isinstance(content, str) else "message"
            hint = "write one, or drop such rows with on_empty='drop'"
            self.complain(DataError(f"{row.where}: there is no {what}: {hint}", settings=(("on_empty", "drop"),)))
        return False

    def _shorten(self, content: Content, row: Row) -> Content | None:
        limit, choice = self.options.max_chars, self.options.on_long
        n_chars = len(content) if isinstance(content, str) else sum(len(message.content) for message in content)
        if not limit or n_chars <= limit:
            return content
        self.n_long += 1
        if choice == "drop":
            return None
        if isinstance(content, str) and choice == "truncate":
            return content[:limit]
        hint = "shorten it, or drop such rows with on_long='drop'"
        if choice == "truncate":
            hint += "; conversations are not truncated, since an answer would end in the middle"
        self.complain(
            DataError(
                f"{row.where}: {n_chars:,} characters are more than max_chars={limit}: {hint}",
                settings=(("max_chars", limit), ("on_long", "drop")),
            )
        )
        return None

    def _is_new(self, content: Content, row: Row) -> bool:
        place = row.number or row.line
        first = self._seen.setdefault(content, place)
        if first == place:
            return True
        self.n_duplicates += 1
        if self.options.on_duplicate == "error":
            name = "row" if row.number else "line"
            hint = "remove one, or drop repeated rows with on_duplicate='drop'"
            self.complain(
                DataError(f"{row.where}: repeats {name} {first}: {hint}", settings=(("on_duplicate", "drop"),))
            )
        return self.options.on_duplicate == "keep"
