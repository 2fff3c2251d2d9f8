"""From the dictionary that a tokenizer wrote of itself back to the tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import TokenizerError
from .base import Tokenizer
from .bpe import BPETokenizer
from .char import CharTokenizer
from .word import WordTokenizer

KINDS: dict[str, type[Tokenizer]] = {"char": CharTokenizer, "word": WordTokenizer, "bpe": BPETokenizer}
"""Closed on purpose: a file chooses from this table and can never name code to be imported."""


def tokenizer_from_dict(d: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer that `to_dict` wrote, of the class that `d["kind"]` names.

    Raises TokenizerError if `d` is no dictionary, its kind is unknown, or an entry is missing, unexpected or wrong.
    """
    if not isinstance(d, Mapping):
        raise TokenizerError(f"a tokenizer is a JSON object, not {type(d).__name__}: restore the file from its run")
    kind = d.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise TokenizerError(f"tokenizer kind {kind!r} is unknown: this version reads {', '.join(KINDS)}")
    return KINDS[kind].from_dict(d)
