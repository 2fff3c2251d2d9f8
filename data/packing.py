"""Several short documents in one row, so that little of a batch is padding. Knows lengths and places only."""

from __future__ import annotations

from typing import Literal

import numpy as np

Packing = Literal["none", "isolated", "joined", "bestfit"]


def fill_rows(lengths: np.ndarray, block_size: int) -> np.ndarray:
    """Bounds of the rows: row r holds the documents bounds[r] to bounds[r + 1] - 1.  (D,) -> (R + 1,)

    In the order given, each row taking the next documents as long as they fit whole; no length is above block_size.
    """
    ends = np.cumsum(lengths)  # (D,)
    bounds = [0]
    while bounds[-1] < len(lengths):
        filled = ends[bounds[-1] - 1] if bounds[-1] else 0
        bounds.append(int(np.searchsorted(ends, filled + block_size, side="right")))
    return np.array(bounds)


def lay_side_by_side(starts: np.ndarray, lengths: np.ndarray, row_of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the inputs of each row stand in the ids, and which document of its row each is; -1 is padding.

    starts, lengths, row_of (D,), the rows ascending from 0 -> (B, T), (B, T)
    """
    widths = np.bincount(row_of, lengths).astype(np.int64)  # (B,)
    token = np.arange(widths.sum())  # of all rows together
    row = np.repeat(row_of, lengths)
    column = token - np.repeat(np.cumsum(widths) - widths, widths)
    at = np.full((len(widths), widths.max()), -1)  # (B, T)
    at[row, column] = token + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    segments = np.full_like(at, -1)  # (B, T)
    segments[row, column] = np.repeat(np.arange(len(starts)) - np.searchsorted(row_of, row_of), lengths)
    return at, segments
