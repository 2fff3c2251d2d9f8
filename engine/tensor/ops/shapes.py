"""Sums, and the same numbers in another shape: reshape, transpose, slices, heads."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from .elementwise import Array, Vjp


def sum(x: Array, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> tuple[Array, Vjp]:
    """y = the sum of x over `axis`, all of it by default"""
    shape = x.shape
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in ((axis,) if isinstance(axis, int) else axis)]
    kept = tuple([1 if i in axes else size for i, size in enumerate(shape)])
    return x.sum(axis=axis, keepdims=keepdims), lambda g: (np.broadcast_to(g.reshape(kept), shape),)


def mean(x: Array, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> tuple[Array, Vjp]:
    """y = the mean of x over `axis`, all of it by default"""
    if not x.size:
        raise ValueError(f"mean of no number, x is {x.shape}: give one at least")
    total, spread = sum(x, axis=axis, keepdims=keepdims)
    share = total.size / x.size  # a Python float: keeps float32
    return total * share, lambda g: spread(g * share)


def reshape(x: Array, *, shape: tuple[int, ...]) -> tuple[Array, Vjp]:
    """y = the same numbers in the same order, in `shape` (one size may be -1)"""
    before = x.shape
    return x.reshape(shape), lambda g: (g.reshape(before),)


def transpose(x: Array, *, axes: tuple[int, ...] | None = None) -> tuple[Array, Vjp]:
    """y has axis axes[i] of x as its axis i; all axes reversed by default"""
    axes = tuple(reversed(range(x.ndim))) if axes is None else tuple(axis % x.ndim for axis in axes)
    back = tuple(axes.index(i) for i in range(x.ndim))
    return x.transpose(axes), lambda g: (g.transpose(back),)


def getitem(x: Array, *, index: Any) -> tuple[Array, Vjp]:
    """y = x[index]; an entry that is picked twice gets both gradients"""
    shape, dtype = x.shape, x.dtype
    repeats = not all(map(_picks_once, index if isinstance(index, tuple) else (index,)))

    def vjp(g: Array) -> tuple[Array]:
        gx = np.zeros(shape, dtype, like=g)
        if repeats:
            np.add.at(gx, index, g)  # slow, and the only one that counts twice what is there twice
        else:
            gx[index] = g
        return (gx,)

    return x[index], vjp


def _picks_once(part: Any) -> bool:
    """True for what cannot name an entry twice; any sequence of numbers can, whatever its type"""
    if isinstance(part, np.ndarray):
        return part.dtype == bool
    return part is None or part is Ellipsis or isinstance(part, (slice, int, np.integer, np.bool_))


def concat(*arrays: Array, axis: int = -1) -> tuple[Array, Vjp]:
    """y = the arrays one after the other along `axis`"""
    ends = np.cumsum([a.shape[axis] for a in arrays])[:-1]
    return np.concatenate(arrays, axis), lambda g: tuple(np.split(g, ends, axis))


def split_heads(x: Array, *, n_head: int) -> tuple[Array, Vjp]:
    """(B, T, H D) -> (B, H, T, D), a view"""
    B, T, C = x.shape
    y = x.reshape(B, T, n_head, C // n_head).transpose(0, 2, 1, 3)  # (B, H, T, D)
    return y, lambda g: (g.transpose(0, 2, 1, 3).reshape(B, T, C),)


def merge_heads(x: Array) -> tuple[Array, Vjp]:
    """(B, H, T, D) -> (B, T, H D); a view of what `attention` returns, which lies in memory as (B, T, H, D)"""
    B, H, T, D = x.shape
    y = x.transpose(0, 2, 1, 3).reshape(B, T, H * D)
    return y, lambda g: (g.reshape(B, T, H, D).transpose(0, 2, 1, 3),)


def rows(x: Array) -> Array:
    """(..., C) -> (N, C), a view where the memory allows: matrix products are fastest on two axes."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


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
