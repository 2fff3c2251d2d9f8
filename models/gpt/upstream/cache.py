"""Keys and values as a GPT keeps them, and the ids that they are of: smear looks at the token before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..cache import KVCache
from .config import UpstreamConfig


class UpstreamCache(KVCache):
    """A KVCache with `ids` (B, S): of row b the first lengths[b] count."""

    def __init__(self, config: UpstreamConfig, batch_size: int, dtype: Any) -> None:
        super().__init__(config, batch_size, dtype)
        self.ids = np.zeros((batch_size, config.block_size), np.int64)

    def note(self, ids: np.ndarray) -> None:
        """The ids (B, T) that every layer has now appended; before `advance`."""
        rows, at = np.arange(len(self.ids))[:, None], self.positions(ids.shape[1])
        self.ids[rows, at] = ids

    def keep(self, rows: Sequence[int]) -> None:
        """Forget all rows but these; one that is named twice is there twice."""
        super().keep(rows)
        self.ids = self.ids[np.asarray(rows, dtype=np.int64)]

    def join(self, other: KVCache) -> None:
        """Add the rows of another cache of the same model. Raises ValueError where they are not of one model."""
        if not isinstance(other, UpstreamCache):
            raise ValueError("a cache without ids cannot join one with them: both caches must be of one model")
        super().join(other)
        self.ids = np.concatenate([self.ids, other.ids])

    def leave(self, row: int) -> None:
        """Forget one row; the last one takes its place. Raises IndexError for a row that is not there."""
        super().leave(row)
        self.ids[row] = self.ids[-1]
        self.ids = self.ids[:-1]
