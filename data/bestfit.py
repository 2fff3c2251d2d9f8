"""Rows without padding, as karpathy/nanochat fills them: the longest document that fits, else the shortest, cut off.

Ding et al. 2024, arXiv:2404.10830, has best-fit packing; nanochat's dataloader.py looks through a buffer of 1,000
documents and cuts where none fits. Its documents are whole; ours that are longer than a row come in pieces. Of
conversations a row may come to hold no answer.
"""

from __future__ import annotations

from bisect import bisect_right, insort

import numpy as np

BUFFER = 1000
"""Documents that are looked through."""


def fit_rows(lengths: np.ndarray, block_size: int, buffer: int = BUFFER) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The documents in the order in which rows take them, how much of each, and the bounds of the rows

    lengths (D,), none above block_size -> (D,), (D,), (R + 1,). Row r holds the documents bounds[r] to
    bounds[r + 1] - 1 of that order, block_size long together; the last row is shorter where documents have run out.
    """
    waiting: list[tuple[int, int]] = []  # (length, document), ascending
    n_read, order, taken, bounds, room = 0, list[int](), list[int](), [0], block_size
    while n_read < len(lengths) or waiting:
        for document in range(n_read, min(len(lengths), n_read + buffer - len(waiting))):
            insort(waiting, (int(lengths[document]), document))
            n_read += 1
        fits = bisect_right(waiting, (room, len(lengths))) - 1
        length, document = waiting.pop(max(fits, 0))
        order.append(document)
        taken.append(min(length, room))
        room -= taken[-1]
        if not room:
            bounds.append(len(order))
            room = block_size
    if bounds[-1] < len(order):
        bounds.append(len(order))
    return np.array(order), np.array(taken), np.array(bounds)
