"""What a vocabulary cannot spell: how much of a text that is, and another policy for it."""

from __future__ import annotations

from dataclasses import replace

from ..errors import TokenizerError
from .base import Tokenizer
from .char import CharTokenizer, Unknown
from .word import WordTokenizer


def n_unknown(tokenizer: Tokenizer, text: str) -> int:
    """How many words or characters of `text` the policy applies to: 0 for bytes, which spell everything."""
    return tokenizer.n_unknown(text) if isinstance(tokenizer, CharTokenizer | WordTokenizer) else 0


def with_policy(tokenizer: Tokenizer, unknown: Unknown) -> Tokenizer:
    """The tokenizer with this policy. Raises TokenizerError where it cannot have it."""
    if not isinstance(tokenizer, CharTokenizer | WordTokenizer):
        kind = tokenizer.to_dict()["kind"]
        raise TokenizerError(f"unknown={unknown} has no meaning for {kind}, which can spell every text: leave it out")
    return replace(tokenizer, unknown=unknown)
