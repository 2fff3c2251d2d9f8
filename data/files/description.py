"""What rows of data are like, in figures: how many, how long, how varied, who speaks how much."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

import regex

from ...tokenizers.pieces import chunks
from ..chat import Role, contents
from .rows import Rows

_SPACE = regex.compile(r"(?=\s)")


@dataclass(frozen=True)
class Spread:
    """Sizes in order: the smallest, the one in the middle, the one that 95 % do not exceed, the largest."""

    min: int
    median: int
    p95: int
    max: int

    @classmethod
    def of(cls, sizes: Iterable[int]) -> Spread:
        """Nearest ranks, so that each figure is a size that occurs: the ceil(p n)-th of n, for p = 0.5 and 0.95."""
        ordered = sorted(sizes)
        n = len(ordered)
        return cls(ordered[0], ordered[-(-n // 2) - 1], ordered[-(-19 * n // 20) - 1], ordered[-1])


@dataclass(frozen=True, kw_only=True)
class Voice:
    """What one role says in all conversations."""

    n_messages: int
    n_chars: int


@dataclass(frozen=True, kw_only=True)
class Description:
    """Rows in figures. Characters are code points, bytes those of UTF-8, words what white space separates."""

    n_rows: int
    n_chars: int
    n_bytes: int
    n_words: int
    n_unique_words: int
    n_distinct_chars: int
    chars_per_row: Spread
    words_per_row: Spread
    messages_per_row: Spread | None = None
    """Of conversations only, as `roles` are."""
    roles: dict[str, Voice] | None = None


def describe(rows: Rows) -> Description:
    """The figures of `rows`; for conversations, of their messages without names and marks."""
    texts: Sequence[Sequence[str]] = (
        [[message.content for message in conversation] for conversation in rows.conversations]
        if rows.is_chat
        else [[document] for document in rows.documents]
    )
    n_chars = [sum(map(len, parts)) for parts in texts]
    n_words: list[int] = []
    words: set[str] = set()
    chars: set[str] = set()
    n_bytes = 0
    for parts in texts:
        n_words.append(0)
        for part in parts:
            for chunk in chunks(part, _SPACE):  # a list of all words of a text would need many times its memory
                found = chunk.split()
                words.update(found)
                chars.update(chunk)
                n_words[-1] += len(found)
                n_bytes += len(chunk.encode("utf-8"))
    return Description(
        n_rows=len(rows),
        n_chars=sum(n_chars),
        n_bytes=n_bytes,
        n_words=sum(n_words),
        n_unique_words=len(words),
        n_distinct_chars=len(chars),
        chars_per_row=Spread.of(n_chars),
        words_per_row=Spread.of(n_words),
        messages_per_row=Spread.of(map(len, rows.conversations)) if rows.is_chat else None,
        roles=_voices(rows) if rows.is_chat else None,
    )


def texts_of(rows: Rows) -> Iterable[str]:
    """Every text in `rows`: each document, or each message of each conversation."""
    return contents(rows.conversations) if rows.is_chat else rows.documents


def _voices(rows: Rows) -> dict[str, Voice]:
    messages = [message for conversation in rows.conversations for message in conversation]
    said = {role: [len(message.content) for message in messages if message.role == role] for role in get_args(Role)}
    return {role: Voice(n_messages=len(sizes), n_chars=sum(sizes)) for role, sizes in said.items() if sizes}
