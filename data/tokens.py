"""All tokens of one side of a split, in one array. Knows ids only, no text and no model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class TokenArray:
    """All tokens of one side of a split in one array: a bare text, or  BOS doc BOS doc ... BOS."""

    ids: np.ndarray
    """(N,) any integer type; batches are int64."""
    marks: np.ndarray
    """(D + 1,) positions of the BOS around the D documents; (0,) for a bare text, which has none."""
    counted: np.ndarray | None = None
    """(N,) bool, False: as a target this token is -1.  None: every token counts."""

    @classmethod
    def from_text(cls, ids: np.ndarray) -> TokenArray:
        """One text as it is, without BOS.  ids (N,)"""
        return cls(ids, np.empty(0, dtype=np.int64))

    @classmethod
    def from_documents(
        cls, documents: Iterable[np.ndarray], *, bos_id: int = 0, dtype: type[np.generic] = np.int32
    ) -> TokenArray:
        """Documents (n_i,) with a BOS before, between and after them.

        They are taken one at a time, so that millions of lines never stand in memory as arrays of their own.
        """
        bos = np.array([bos_id], dtype=dtype).tobytes()
        buffer = bytearray(bos)
        lengths = []
        for ids in documents:
            buffer += ids.astype(dtype, copy=False).tobytes() + bos
            lengths.append(len(ids) + 1)
        marks = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
        return cls(np.frombuffer(buffer, dtype=dtype), marks)

    @classmethod
    def from_answers(
        cls,
        conversations: Iterable[tuple[Sequence[int], Sequence[bool]]],
        *,
        bos_id: int = 0,
        dtype: type[np.generic] = np.int32,
    ) -> TokenArray:
        """Documents of which only marked tokens count, as (ids, counted) each; BOS never counts."""
        counted = bytearray(1)

        def documents() -> Iterator[np.ndarray]:
            for ids, marked in conversations:
                counted.extend((*marked, False))
                yield np.array(ids, dtype=dtype)

        stream = cls.from_documents(documents(), bos_id=bos_id, dtype=dtype)
        return replace(stream, counted=np.frombuffer(counted, dtype=np.bool_))

    @property
    def n_tokens(self) -> int:
        """Tokens of text, BOS not counted."""
        return len(self.ids) - len(self.marks)
