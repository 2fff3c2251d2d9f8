"""Keys and values of the tokens that an array model has read, so that the next token costs one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .config import GPTConfig

KEYS = 64
"""The room of a row is a multiple of it: a sum over so many keys has the same bits whatever zeros stand behind them
(16 and 32 are too few for OpenBLAS, docs/log.md)."""


class KVCache:
    """Room for block_size tokens of B rows. `lengths` (B,) says how many are there; rows may differ: `set_lengths`."""

    def __init__(self, config: GPTConfig, batch_size: int, dtype: Any) -> None:
        self.block_size = config.block_size
        n_keys = -(-config.block_size // KEYS) * KEYS
        shape = (config.n_layer, batch_size, config.kv_heads, n_keys, config.head_size)
        self.keys, self.values = np.zeros(shape, dtype), np.zeros(shape, dtype)
        self.set_lengths(np.zeros(batch_size, dtype=np.int64))

    def set_lengths(self, lengths: np.ndarray) -> None:
        """Of row b the first lengths[b] tokens count from now on; what stands behind them is written over.

        Raises ValueError for another number of rows, or tokens that there is no room for.
        """
        n_rows, found = self.keys.shape[1], np.array(lengths, dtype=np.int64)
        if found.shape != (n_rows,) or not ((found >= 0) & (found <= self.block_size)).all():
            raise ValueError(f"lengths {found.tolist()} are not {n_rows}, each of 0 to block_size={self.block_size}")
        self.lengths = found
        self.longest = int(self.lengths.max(initial=0))
        self.even = bool((self.lengths == self.longest).all())

    def keep(self, rows: Sequence[int]) -> None:
        """Forget all rows but these; one that is named twice is there twice."""
        kept = np.asarray(rows, dtype=np.int64)
        self.keys, self.values = self.keys[:, kept], self.values[:, kept]
        self.set_lengths(self.lengths[kept])

    def join(self, other: KVCache) -> None:
        """Add the rows of another cache of the same model, with what they have read, behind those that are there.

        Raises ValueError where they are not of one model.
        """
        here, there = ((c.keys.shape[0], *c.keys.shape[2:], c.block_size, c.keys.dtype) for c in (self, other))
        if here != there:
            raise ValueError(f"keys of {there} cannot join keys of {here}: both caches must be of one model")
        self.keys, self.values = _joined(self.keys, other.keys), _joined(self.values, other.values)
        self.set_lengths(np.concatenate([self.lengths, other.lengths]))

    def leave(self, row: int) -> None:
        """Forget one row; the last one takes its place. Raises IndexError for a row that is not there."""
        last = len(self.lengths) - 1
        if not 0 <= row <= last:
            raise IndexError(f"row {row} cannot leave a batch of {last + 1} rows: give 0 or more, and less")
        for rows in (self.keys, self.values, self.lengths[None]) if row < last else ():
            rows[:, row] = rows[:, last]
        self.keys, self.values = self.keys[:, :last], self.values[:, :last]
        self.set_lengths(self.lengths[:last])

    def positions(self, n_new: int) -> np.ndarray:
        """Where the next n_new tokens stand: (T,) if rows are even, else (B, T). Raises ValueError if full."""
        end = self.longest + n_new
        if end > self.block_size:
            raise ValueError(f"{end} tokens do not fit in block_size={self.block_size}")
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


def _joined(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """rows (L, B, ...), others (L, b, ...) -> (L, B + b, ...), in the memory behind `rows` where there is some."""
    n_rows, end = rows.shape[1], rows.shape[1] + others.shape[1]
    room = rows if rows.base is None else rows.base
    if room.shape[1] < end or room.shape[2:] != rows.shape[2:]:  # the next ones, too, should find some
        room = np.empty((len(rows), 2 * end, *rows.shape[2:]), rows.dtype)
        room[:, :n_rows] = rows
    room[:, n_rows:end] = others
    return room[:, :end]
