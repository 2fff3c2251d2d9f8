"""Rotary position embedding: a product with complex numbers of length 1."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .elementwise import Array, Vjp


def rope(x: Array, *, positions: Array, base: float = 10000.0) -> tuple[Array, Vjp]:
    """Rotate each pair (x_2i, x_2i+1) by the angle position * base^(-2i/D)       Su et al. 2021, arXiv:2104.09864

    x (B, H, T, D), positions (T,) or (B, T) int -> (B, H, T, D), D even. As x_2i + j x_2i+1 the pair is one complex
    number, and the rotation a product with exp(j angle); the gradient turns back by the conjugate. Products of
    rotated queries and keys depend on the distance between them alone.
    """
    D = x.shape[-1]
    if D % 2:
        raise ValueError(f"rope: heads of D={D} channels have no pairs to rotate: choose n_embd / n_head even")
    turns = rotations(positions, D, base, x.dtype)  # (T, D/2) or (B, 1, T, D/2)

    def vjp(g: Array) -> tuple[Array]:
        return (rotate(g, turns.conj()),)

    return rotate(x, turns), vjp


def rotations(positions: Array, D: int, base: float, dtype: np.dtype) -> Array:
    """exp(j position base^(-2i/D)): (T,) -> (T, D/2), (B, T) -> (B, 1, T, D/2), complex of x's precision"""
    positions = np.asarray(positions)
    longest = int(positions.max(initial=0)) + 1
    table = _table(1 << (longest - 1).bit_length(), D, base, np.dtype(dtype).str)
    return table[positions] if positions.ndim == 1 else table[positions][:, None]


def rotate(x: Array, turns: Array) -> Array:
    """x, its pairs read as complex numbers, times turns"""
    x = x if x.strides[-1] == x.itemsize else x.copy()
    return (x.view(turns.dtype) * turns).view(x.dtype)


@lru_cache(maxsize=32)
def _table(n_positions: int, D: int, base: float, dtype: str) -> Array:
    """exp(j t base^(-2i/D)) for t < n_positions, worked out in double precision       -> (n_positions, D/2)"""
    angles = np.outer(np.arange(n_positions), base ** (-np.arange(0, D, 2) / D))
    table = np.exp(1j * angles).astype(np.result_type(dtype, np.complex64))
    table.setflags(write=False)
    return table
