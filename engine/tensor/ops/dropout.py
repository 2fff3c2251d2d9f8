"""Dropout: the one op with chance in it, from a stream of its own."""

from __future__ import annotations

import numpy as np

from .elementwise import Array, Vjp


def dropout(x: Array, *, p: float, rng: np.random.Generator) -> tuple[Array, Vjp]:
    """y = x m / (1 - p),  m = 0 with probability p, else 1       Srivastava et al. 2014, JMLR 15

    Inverted: the mean of y is x, so that nothing is rescaled when it is left out. 16 random bits a number.
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout: p={p} is not a probability below 1: give e.g. p=0.1")
    n_words = -(-x.size // 4)  # four 16-bit draws in each 64-bit word, the same on every platform
    bits = rng.integers(0, 1 << 64, n_words, dtype=np.uint64).astype("<u8", copy=False).view("<u2")[: x.size]
    mask = (bits >= round(p * 65536)).reshape(x.shape).astype(x.dtype)
    mask *= 1.0 / (1.0 - p)
    return x * mask, lambda g: (g * mask,)
