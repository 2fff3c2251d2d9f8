"""Tokens as a person reads them: how a text is cut, and what an id stands for, with nothing invisible in it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..errors import TokenizerError
from .base import Tokenizer
from .bpe import BPETokenizer
from .char import CharTokenizer, Unknown
from .word import UNK_ID, WordTokenizer


class Piece(NamedTuple):
    """One token of a text."""

    id: int
    text: str
    """As `show_token` spells it."""


def cut(tokenizer: Tokenizer, text: str) -> list[Piece]:
    """The tokens that `tokenizer.encode(text)` gives, in order. Raises as it does.

    >>> "|".join(piece.text for piece in cut(BPETokenizer.train("low lower lowest", vocab_size=260), "slow\\n"))
    's|low|\\\\n'
    """
    return [Piece(id_, show_token(tokenizer, id_)) for id_ in tokenizer.encode(text)]


def show_token(tokenizer: Tokenizer, id_: int) -> str:
    """The text of one id; special tokens by name, bytes that are no whole character and what does not print escaped."""
    if isinstance(tokenizer, BPETokenizer):
        names = dict.fromkeys(tokenizer.unused_ids, "<UNUSED>") | {i: t for t, i in tokenizer.special_tokens.items()}
        return _visible(names.get(id_) or tokenizer.decode_bytes([id_]).decode("utf-8", "backslashreplace"))
    if id_ == tokenizer.bos_id:
        return "<BOS>"
    if id_ == _unk_id(tokenizer):
        return "<UNK>"
    return _visible(tokenizer.decode([id_]))


def special_names(tokenizer: Tokenizer) -> dict[str, int]:
    """Id of each mark that is no text, by the name that it is shown with."""
    named: dict[str, int] = getattr(tokenizer, "special_ids", {})
    marks = [tokenizer.bos_id, *([] if (unk := _unk_id(tokenizer)) is None else [unk])]
    return {**{show_token(tokenizer, id_): id_ for id_ in marks}, **named}


def longest_tokens(tokenizer: Tokenizer, n: int) -> list[int]:
    """The ids of the `n` tokens of most bytes, longest first, of equal ones the lowest id first."""
    sizes = tokenizer.token_bytes()
    ids: list[int] = np.argsort(-sizes, kind="stable")[:n].tolist()
    return ids


def _unk_id(tokenizer: Tokenizer) -> int | None:
    if isinstance(tokenizer, WordTokenizer) and tokenizer.has_unk:
        return UNK_ID
    return tokenizer.vocab_size - 1 if isinstance(tokenizer, CharTokenizer) and tokenizer.has_unk else None


def _visible(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode("ascii") for ch in text)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Sums over all texts. Bytes are those of UTF-8, words what white space separates."""

    n_texts: int
    n_bytes: int
    n_words: int
    n_tokens: int
    n_unknown: int
    """Words, or characters, outside the vocabulary: they are in no token."""
    n_restored: int
    """Texts that decoding gives back exactly."""
    encode_s: float

    @property
    def bytes_per_token(self) -> float:
        """The compression: 1 where each byte is a token."""
        return self.n_bytes / max(1, self.n_tokens)

    @property
    def tokens_per_word(self) -> float:
        """Which some call fertility."""
        return self.n_tokens / max(1, self.n_words)

    @property
    def megabytes_per_s(self) -> float:
        """Text encoded in a second, the first time that it is seen."""
        return self.n_bytes / 1e6 / max(1e-9, self.encode_s)


def measure(tokenizer: Tokenizer, texts: Iterable[str]) -> Measurement:
    """The figures of `tokenizer` on `texts`. One that raises at unknown words leaves them out here, to be counted."""
    if getattr(tokenizer, "unknown", None) == "error":
        tokenizer = with_policy(tokenizer, "skip")
    n_texts = n_bytes = n_words = n_tokens = missed = n_restored = 0
    encode_s = 0.0
    for text in texts:
        start = time.perf_counter()
        ids = tokenizer.encode_array(text)
        encode_s += time.perf_counter() - start
        n_texts += 1
        n_bytes += len(text.encode("utf-8"))
        n_words += len(text.split())
        n_tokens += len(ids)
        missed += n_unknown(tokenizer, text)
        n_restored += tokenizer.decode(ids.tolist()) == text
    return Measurement(
        n_texts=n_texts,
        n_bytes=n_bytes,
        n_words=n_words,
        n_tokens=n_tokens,
        n_unknown=missed,
        n_restored=n_restored,
        encode_s=encode_s,
    )


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
