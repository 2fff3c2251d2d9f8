"""Keys and values of the tokens that an array model has read, so that the next token costs one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .config import GPTConfig


class KVCache:
    """Room for block_size tokens of B rows. `lengths` (B,) says how many are there; rows may differ: `set_lengths`."""

    def __init__(self, config: GPTConfig, batch_size: int, dtype: Any) -> None:
        shape = (config.n_layer, batch_size, config.kv_heads, config.block_size, config.head_size)
        self.keys, self.values = np.zeros(shape, dtype), np.zeros(shape, dtype)
        self.set_lengths(np.zeros(batch_size, dtype=np.int64))

    def set_lengths(self, lengths: np.ndarray) -> None:
        """Of row b the first lengths[b] tokens count from now on; what stands behind them is written over."""
        self.lengths = np.array(lengths, dtype=np.int64)
        self.longest = int(self.lengths.max())
        self.even = bool((self.lengths == self.longest).all())

    def keep(self, rows: Sequence[int]) -> None:
        """Forget all rows but these."""
        self.keys, self.values = self.keys[:, rows], self.values[:, rows]
        self.set_lengths(self.lengths[rows])

    def positions(self, n_new: int) -> np.ndarray:
        """Where the next n_new tokens stand: (T,) if rows are even, else (B, T). Raises ValueError if full."""
        end, room = self.longest + n_new, self.keys.shape[3]
        if end > room:
            raise ValueError(f"{end} tokens do not fit in block_size={room}")
        if self.even:
            return np.arange(self.longest, end)
        return self.lengths[:, None] + np.arange(n_new)

    def append(self, layer: int, k: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Write k, v (B, Hkv, T, D) behind what is there; all of the layer's keys and values (B, Hkv, S, D), views."""
        n_new = k.shape[2]
        keys, values, end = self.keys[layer], self.values[layer], self.longest + n_new
        if self.even:
            keys[:, :, self.longest : end] = k
            values[:, :, self.longest : end] = v
        else:
            rows, at = np.arange(len(self.lengths))[:, None], self.positions(n_new)  # (B, 1), (B, T)
            keys[rows, :, at] = k.transpose(0, 2, 1, 3)
            values[rows, :, at] = v.transpose(0, 2, 1, 3)
        return keys[:, :, :end], values[:, :, :end]

    def advance(self, n_new: int) -> None:
        """Count the tokens that every layer has now appended."""
        self.lengths += n_new
        self.longest += n_new
