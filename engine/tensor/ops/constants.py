"""Constant vectors for products with BLAS, made once: a sum over rows or columns is fastest as a product with ones."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .elementwise import Array


@lru_cache(maxsize=256)
def filled(n: int, value: float, dtype: np.dtype) -> Array:
    """(n,) of `value`, read-only"""
    vector = np.full(n, value, dtype)
    vector.setflags(write=False)
    return vector


@lru_cache(maxsize=64)
def counting(n: int) -> Array:
    """0, 1, ..., n - 1, read-only"""
    numbers = np.arange(n)
    numbers.setflags(write=False)
    return numbers
