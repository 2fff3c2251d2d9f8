"""Ids to text as they come, for a terminal that shows a model at work: never half a character."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from .base import Tokenizer
from .bpe import BPETokenizer
from .word import WordTokenizer


def decode_stream(tokenizer: Tokenizer, ids: Iterable[int], before: Sequence[int] = ()) -> Iterator[str]:
    """The pieces that join to `tokenizer.decode(ids)`, each as soon as it is certain.

    `before` are ids that the reader has seen: of no effect but on the space that words begin with.

    With bytes a piece may be part of a character, and with words the next one decides a space; with characters
    each id is its own text.
    """
    if isinstance(tokenizer, WordTokenizer):
        return _beyond(tokenizer.decode(before), tokenizer.decode_stream(chain(before, ids)))
    if isinstance(tokenizer, BPETokenizer):
        return tokenizer.decode_stream(ids)
    return (text for id_ in ids if (text := tokenizer.decode([id_])))


def _beyond(text: str, pieces: Iterator[str]) -> Iterator[str]:
    """The pieces that come after those of `text`. Spaces do not count: an apostrophe at its end may still get one."""
    n_left = len(text) - text.count(" ")
    for piece in pieces:
        if n_left <= 0:
            yield piece
        n_left -= len(piece) - piece.count(" ")
