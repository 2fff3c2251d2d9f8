"""Softmax, and the exponential of whole rows that attention and cross-entropy share."""

from __future__ import annotations

import numpy as np

from .constants import filled
from .elementwise import Array, Vjp
from .shapes import rows

SAFE = 60.0
"""exp of +-60 and sums of a billion of them are normal float32 numbers, with normal reciprocals."""


def softmax(x: Array) -> tuple[Array, Vjp]:
    """p_i = exp(x_i) / sum_j exp(x_j) over the last axis       (..., C) -> (..., C), positive, sums to 1

    dL/dx = p (g - sum_j g_j p_j)
    """
    p = rows(x).copy()
    total = exp_rows(p)[0]
    p *= np.reciprocal(total, total)[:, None]

    def vjp(g: Array) -> tuple[Array]:
        g2 = rows(g)
        gx = g2 - np.vecdot(g2, p)[:, None]
        gx *= p
        return (gx.reshape(x.shape),)

    return p.reshape(x.shape), vjp


def exp_rows(z: Array) -> tuple[Array, Array | None]:
    """Turn z into exp(z - m) in place; return its row sums and m       (N, C) -> (N,), (N,) or None

    m, the largest of a row, keeps exp from overflowing. Where nothing can overflow it is left out and its two passes
    are saved: NumPy's largest of all numbers is ten times faster than its largest of each row.
    """
    largest: Array | None = None
    if not fits_exp(z):
        largest = np.maximum.reduce(z, axis=-1)
        z -= largest[:, None]
    np.exp(z, z)
    return z.dot(filled(z.shape[1], 1.0, z.dtype)), largest


def fits_exp(z: Array) -> bool:
    """True if no exp of z, no sum of them and no reciprocal of a sum overflows; False for nan.

    argmax is as fast as max on large arrays and twice as fast on small ones; it finds a nan if there is one.
    """
    return z.size == 0 or (z.item(z.argmax()) <= SAFE and z.item(z.argmin()) >= -SAFE)


def extremes(z: Array) -> tuple[float, float]:
    """The smallest and the largest, nan if there is one, 0 and 0 of nothing."""
    return (z.item(z.argmin()), z.item(z.argmax())) if z.size else (0.0, 0.0)
