"""Matrix products: where a transformer spends its time. Weights are (out, in), as in PyTorch."""

from __future__ import annotations

import numpy as np

from .elementwise import Array, Vjp, opaque, unbroadcast
from .shapes import counting, filled, rows

_FEW_ROWS = 256
"""Up to this many rows a one-hot product gathers an embedding's gradient faster than sorting does (measured)."""


def matmul(a: Array, b: Array) -> tuple[Array, Vjp]:
    """y = a b       (..., M, K) (..., K, N) -> (..., M, N), leading axes broadcast; a (K,), a row; b (K,), a column"""
    if not (a.ndim and b.ndim):
        raise ValueError(f"matmul: {a.shape} and {b.shape} must both have an axis: multiply by a number with *")
    a2, b2 = (a if a.ndim > 1 else a[None]), (b if b.ndim > 1 else b[:, None])

    def vjp(g: Array) -> tuple[Array, Array]:
        g = g if b.ndim > 1 else g[..., None]
        g = g if a.ndim > 1 else g[..., None, :]  # (..., M, N)
        ga, gb = g @ b2.swapaxes(-1, -2), a2.swapaxes(-1, -2) @ g
        return unbroadcast(ga, a2.shape).reshape(a.shape), unbroadcast(gb, b2.shape).reshape(b.shape)

    return a @ b, vjp


def linear(x: Array, weight: Array, bias: Array | None = None) -> tuple[Array, Vjp]:
    """y = x weight^T + bias       x (..., K), weight (N, K), bias (N,) -> (..., N)"""
    x2, shape = rows(x), x.shape
    n, k = weight.shape
    if bias is not None and bias.shape != (n,):
        raise ValueError(f"linear: bias is {bias.shape} and weight is {weight.shape}: give the bias {n} numbers")
    if shape[-1] != k or x.dtype != weight.dtype:
        raise ValueError(
            f"linear: x is {shape} {x.dtype} and weight is {weight.shape} {weight.dtype}: "
            "their last axes and their types must be equal"
        )
    y = np.empty((*shape[:-1], n), x.dtype, like=x)
    y2 = x2.dot(weight.T, rows(y))
    if bias is not None:
        y2 += bias

    def vjp(g: Array) -> tuple[Array | None, ...]:
        g2 = rows(g)
        gx = np.empty(shape, x2.dtype, like=x2)
        g2.dot(weight, rows(gx))
        gw = g2.T.dot(x2)
        return gx, gw, None if bias is None else column_sums(g2)

    return y, vjp


def embedding(weight: Array, *, ids: Array) -> tuple[Array, Vjp]:
    """y = the rows of weight named by ids       weight (V, C), ids (...) int -> (..., C)"""
    _check_ids(ids, len(weight))
    return weight.take(ids, 0), lambda g: (_add_rows(g, ids, weight.shape),)


def embedding_sum(tokens: Array, places: Array, *, ids: Array, positions: Array) -> tuple[Array, Vjp]:
    """y = tokens[ids] + places[positions], the two tables of a transformer in one pass

    tokens (V, C), places (P, C), ids (B, T) int, positions (T,) or (B, T) int -> (B, T, C)
    """
    _check_ids(ids, len(tokens))
    y = tokens.take(ids, 0)
    y += places.take(positions, 0)

    def vjp(g: Array) -> tuple[Array, Array]:
        by_place = g.sum(0) if positions.ndim < ids.ndim and len(g) != 1 else g
        return _add_rows(g, ids, tokens.shape), _add_rows(by_place, positions, places.shape)

    return y, vjp


@opaque
def _check_ids(ids: Array, n: int) -> None:
    """NumPy refuses an id that is too large, and takes a negative one for a row from the end. Raises IndexError."""
    if ids.size and ids.item(ids.argmin()) < 0:
        raise IndexError(f"embedding: id {ids.min()} is negative: a table of {n} rows takes 0 to {n - 1}")


def _add_rows(g: Array, ids: Array, shape: tuple[int, ...]) -> Array:
    """What embedding's gradient is, `shape` (V, C): row v is the sum of the rows of g (..., C) whose id is v"""
    total = np.zeros(shape, g.dtype, like=g)
    _sum_by_id(total, g.reshape(-1, shape[1]), ids.reshape(-1))
    return total


@opaque
def _sum_by_id(total: Array, g2: Array, flat: Array) -> None:
    """Add to row v of total (V, C), which comes as zeros, the rows of g2 (N, C) whose id in flat (N,) is v."""
    if len(total) <= _FEW_ROWS:
        one_hot = np.zeros((len(total), len(flat)), g2.dtype)
        one_hot[flat, counting(len(flat))] = 1
        one_hot.dot(g2, total)  # np.add.at is five times slower
    elif len(flat):
        order = flat.argsort(kind="stable")
        ordered = flat[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        total[ordered[starts]] = np.add.reduceat(g2[order], starts, axis=0)


def column_sums(g2: Array) -> Array:
    """(N, C) -> (C,), as a product with ones, which BLAS does two to three times faster than a sum over rows"""
    return np.dot(filled(len(g2), 1.0, g2.dtype), g2)
