"""What a corpus is: one stream, documents, or conversations. Knows no files and no tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from .chat import Conversation, contents

Layout = Literal["stream", "documents", "chat"]
LayoutChoice = Literal["auto", "stream", "documents", "chat"]
Documents = tuple[str, ...] | tuple[Conversation, ...]

BUILTIN_PREFIX = "builtin:"


@dataclass(frozen=True)
class Corpus:
    """What there is to learn from. Line ends are `\\n`; a byte order mark is gone."""

    name: str
    layout: Layout
    documents: Documents
    """A stream has exactly one: the whole text, unchanged. Documents are the lines, blank ones left out, without
    the white space around them, or the rows of a data file, without a `</s>` at their end. Chat has conversations."""
    origin: str
    """Where the text comes from: the path as given, or the source of a built-in corpus."""

    file_bytes: int = 0
    """Of a text larger than memory, whose documents are not here; 0 otherwise."""

    @property
    def n_bytes(self) -> int:
        """Bytes of UTF-8 of the documents, of conversations the messages."""
        return self.file_bytes or sum(len(text.encode("utf-8")) for text in texts_of(self.documents))


class Side(Protocol):
    """One side of a corpus that is split, training or validation, wherever its text stands."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    @property
    def layout(self) -> Layout:
        """Of the corpus."""
        ...

    @property
    def documents(self) -> Documents:
        """(): they are larger than memory."""
        ...

    @property
    def n_chars(self) -> int:
        """Of all texts."""
        ...

    def texts(self) -> Iterable[str]:
        """All that is written in it; a text larger than memory is read anew at each call, in pieces."""
        ...

    def sha256(self) -> str:
        """What no other text has."""
        ...


def texts_of(documents: Sequence[str | Conversation]) -> list[str]:
    """Everything that was written in documents, or in the messages of conversations."""
    return [
        text for document in documents for text in ([document] if isinstance(document, str) else contents([document]))
    ]
