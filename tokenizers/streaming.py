"""Ids to text as they come, for a terminal that shows a model at work: never half a character."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .base import Tokenizer
from .bpe import BPETokenizer
from .word import WordTokenizer


def decode_stream(tokenizer: Tokenizer, ids: Iterable[int]) -> Iterator[str]:
    """The pieces that join to `tokenizer.decode(ids)`, each as soon as it is certain.

    With bytes a piece may be part of a character, and with words the next one decides a space; with characters
    each id is its own text.
    """
    if isinstance(tokenizer, (BPETokenizer, WordTokenizer)):
        return tokenizer.decode_stream(ids)
    return (text for id_ in ids if (text := tokenizer.decode([id_])))
