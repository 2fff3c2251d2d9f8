"""How well a tokenizer suits texts: compression, what it cannot spell, what comes back, and how fast it is."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from .base import Tokenizer
from .unknown import n_unknown, with_policy


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
