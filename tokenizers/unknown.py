"""What a vocabulary cannot spell: how much of a text that is, in words, and another policy for it."""

from __future__ import annotations

from dataclasses import replace

from ..errors import TokenizerError
from .base import Tokenizer
from .char import CharTokenizer, Unknown
from .word import WordTokenizer

_SHOWN = 3
_LONGEST = 20


def n_unknown(tokenizer: Tokenizer, text: str) -> int:
    """How many words or characters of `text` the policy applies to: 0 for bytes, which spell everything."""
    return tokenizer.n_unknown(text) if isinstance(tokenizer, CharTokenizer | WordTokenizer) else 0


def unknown_parts(tokenizer: Tokenizer, text: str, *, ordinary: bool = False) -> list[str]:
    """The words or characters that `n_unknown` counts, in order; ordinary: special tokens are text, as in a chat."""
    if isinstance(tokenizer, WordTokenizer):
        known = set(tokenizer.tokens)
        return [word for word in tokenizer.words(text, ordinary=ordinary) if word not in known]
    return [ch for ch in text if ch not in tokenizer.chars] if isinstance(tokenizer, CharTokenizer) else []


def describe_unknown(tokenizer: Tokenizer, text: str, *, ordinary: bool = False) -> str:
    """How many parts of `text` are unknown, the first of them, and what becomes of them; "" for none, or an error.

    >>> describe_unknown(WordTokenizer.train("I know Rome.", unknown="unk"), "I know Oslo, Oslo and Riga.")
    "5 unknown words are read as <UNK>: 'Oslo', ',', 'and', ..."
    """
    policy, parts = getattr(tokenizer, "unknown", "error"), unknown_parts(tokenizer, text, ordinary=ordinary)
    if policy == "error" or not parts:
        return ""
    n, kind = len(parts), "word" if isinstance(tokenizer, WordTokenizer) else "character"
    done = "left out" if policy == "skip" else "read as <UNK>"
    first = list(dict.fromkeys(parts))
    shown = [repr(part if len(part) <= _LONGEST else part[:_LONGEST] + "...") for part in first[:_SHOWN]]
    more = ["..."] if len(first) > _SHOWN else []
    return f"{n:,} unknown {kind}{'s' * (n != 1)} {'is' if n == 1 else 'are'} {done}: {', '.join(shown + more)}"


def with_policy(tokenizer: Tokenizer, unknown: Unknown) -> Tokenizer:
    """The tokenizer with this policy. Raises TokenizerError where it cannot have it."""
    if not isinstance(tokenizer, CharTokenizer | WordTokenizer):
        kind = tokenizer.to_dict()["kind"]
        raise TokenizerError(
            f"--unknown {unknown} has no meaning for a {kind} tokenizer, which can spell every text: leave it out"
        )
    return replace(tokenizer, unknown=unknown)
