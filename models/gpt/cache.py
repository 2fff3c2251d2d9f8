"""Keys and values of the tokens that an array model has read, so that the next token costs one step."""

from __future__ import annotations

from typing import Any

import numpy as np

from .config import GPTConfig


class KVCache:
    """Room for block_size tokens of B rows, which may differ in length; `lengths` (B,) says how many are there."""

    def __init__(self, config: GPTConfig, batch_size: int, dtype: Any) -> None:
        shape = (config.n_layer, batch_size, config.kv_heads, config.block_size, config.head_size)
        self.keys, self.values = np.zeros(shape, dtype), np.zeros(shape, dtype)
        self.lengths = np.zeros(batch_size, dtype=np.int64)

    @property
    def even(self) -> bool:
        """All rows have the same length."""
        return bool((self.lengths == self.lengths[0]).all())

    def positions(self, n_new: int) -> np.ndarray:
        """Where the next n_new tokens stand: (T,) if rows are even, else (B, T). Raises ValueError if full."""
        longest, room = int(self.lengths.max()) + n_new, self.keys.shape[3]
        if longest > room:
            raise ValueError(f"{longest} tokens do not fit in block_size={room}")
        if self.even:
            return np.arange(longest - n_new, longest)
        return self.lengths[:, None] + np.arange(n_new)

    def append(self, layer: int, k: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Write k, v (B, Hkv, T, D) behind what is there; all of the layer's keys and values (B, Hkv, S, D), views."""
        n_new = k.shape[2]
        positions = self.positions(n_new)
        if positions.ndim == 1:
            for store, new in ((self.keys, k), (self.values, v)):
                store[layer, :, :, positions[0] : positions[0] + n_new] = new
        else:
            rows = np.arange(len(self.lengths))[:, None]  # (B, 1)
            for store, new in ((self.keys, k), (self.values, v)):
                store[layer, rows, :, positions] = new.transpose(0, 2, 1, 3)
        end = int(self.lengths.max()) + n_new
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def advance(self, n_new: int) -> None:
        """Count the tokens that every layer has now appended."""
        self.lengths += n_new
