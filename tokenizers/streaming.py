"""Ids to text as they come, for a terminal that shows a model at work: never half a character."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from .base import Tokenizer
from .bpe import BPETokenizer
from .spacing import spaced
from .word import WordTokenizer


def decode_stream(tokenizer: Tokenizer, ids: Iterable[int], before: str = "") -> Iterator[str]:
    """The pieces that join to `tokenizer.decode(ids)`, each as soon as it is certain.

    `before` is what the reader has seen: of no effect but on the space that the first word begins with.

    With bytes a piece may be part of a character, and with words the next one decides a space; with characters
    each id is its own text.
    """
    if isinstance(tokenizer, WordTokenizer):
        return _after(before, tokenizer, ids) if before else tokenizer.decode_stream(ids)
    if isinstance(tokenizer, BPETokenizer):
        return tokenizer.decode_stream(ids)
    return (text for id_ in ids if (text := tokenizer.decode([id_])))


def _after(before: str, tokenizer: WordTokenizer, ids: Iterable[int]) -> Iterator[str]:
    """The pieces that come after those of `before`, whether its words are known or not; one space after it, not two."""
    seen = list(tokenizer.words(before))
    n_left, is_first = sum(map(len, seen)), True
    for piece in spaced(chain(seen, tokenizer.spell(ids))):
        if n_left <= 0:
            yield piece.lstrip(" ") if is_first and before[-1].isspace() else piece
            is_first = False
        n_left -= len(piece) - piece.count(" ")
