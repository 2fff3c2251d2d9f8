"""What every tokenizer can do. Knows no particular one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, Self

import numpy as np


class Tokenizer(Protocol):
    """Text to ids and back. `bos_id` stands before and after a document and is never produced from text."""

    @property
    def vocab_size(self) -> int:
        """V: ids are 0 to V - 1."""
        ...

    @property
    def bos_id(self) -> int:
        """0 in every tokenizer that we train."""
        ...

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, without BOS."""
        ...

    def encode_array(self, text: str) -> np.ndarray:
        """The same ids as an array (n,) of the smallest type that holds them (`id_dtype`)."""
        ...

    def decode(self, ids: list[int]) -> str:
        """The text of `ids`; BOS is skipped."""
        ...

    def decode_stream(self, ids: Iterable[int], before: str = "") -> Iterator[str]:
        """The pieces that join to `decode(ids)`, each as soon as it is certain: for a terminal, never half a character.

        `before` is what the reader has seen: of no effect but on the space that the first word begins with.
        """
        ...

    def token_bytes(self) -> np.ndarray:
        """(V,) int64: how many bytes of UTF-8 each id stands for, 0 for BOS: the divisor of bits per byte."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """All that `from_dict` needs, ready for JSON; `kind` names the class."""
        ...

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises TokenizerError if `d` is not what `to_dict` writes."""
        ...


def decode_stream(tokenizer: Tokenizer, ids: Iterable[int], before: str = "") -> Iterator[str]:
    """`tokenizer.decode_stream`, which see."""
    return tokenizer.decode_stream(ids, before)


def id_dtype(vocab_size: int) -> type[np.generic]:
    """uint16 where it holds every id, else int32: a corpus of 50 MB costs 100 MB of ids instead of 400."""
    return np.uint16 if vocab_size <= 1 << 16 else np.int32
