"""Normalisation of each row (the last axis): LayerNorm, RMSNorm, and DyT, which bounds without measuring.

Means over a row are products with a vector of 1/C: BLAS does them several times faster than NumPy's sums.
"""

from __future__ import annotations

import math

import numpy as np

from .elementwise import Array, Vjp
from .linear import column_sums
from .shapes import filled, rows


def layer_norm(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, eps: float = 1e-5
) -> tuple[Array, Vjp]:
    """y = n * weight + bias,  n = (x - mean) / sqrt(var + eps),  over the last axis

    x (..., C), weight (C,), bias (C,) -> (..., C)       Ba et al. 2016, arXiv:1607.06450
    dL/dx = (gn - mean(gn) - n mean(gn n)) / sqrt(var + eps),  gn = g weight
    """
    x2, shape = rows(x), x.shape
    average = filled(shape[-1], 1.0 / (shape[-1] or 1), x2.dtype)  # a row's product with it is its mean
    n = x2 - x2.dot(average)[:, None]  # (N, C)
    rstd = _reciprocal_root(n, eps)  # (N, 1)
    n *= rstd

    def vjp(g: Array) -> tuple[Array | None, ...]:
        g2 = rows(g)
        product = g2 * n
        gw = None if weight is None else column_sums(product)
        gb = None if bias is None else column_sums(g2)
        share = average if weight is None else average * weight
        along, shift = product.dot(share)[:, None], g2.dot(share)[:, None]  # mean(gn n), mean(gn)
        gx = g2.copy() if weight is None else g2 * weight
        gx -= np.multiply(n, along, product)
        gx -= shift
        gx *= rstd
        return gx.reshape(shape), gw, gb

    return _affine(n, weight, bias).reshape(shape), vjp


def rms_norm(x: Array, weight: Array | None = None, *, eps: float = 1e-5) -> tuple[Array, Vjp]:
    """y = n * weight,  n = x / sqrt(mean(x^2) + eps),  over the last axis

    x (..., C), weight (C,) -> (..., C)       Zhang and Sennrich 2019, arXiv:1910.07467
    dL/dx = (gn - n mean(gn n)) / sqrt(mean(x^2) + eps),  gn = g weight
    """
    x2, shape = rows(x), x.shape
    rstd = _reciprocal_root(x2, eps)  # (N, 1)
    n = x2 * rstd

    def vjp(g: Array) -> tuple[Array | None, ...]:
        g2 = rows(g)
        average = filled(n.shape[1], 1.0 / n.shape[1], n.dtype)
        product = g2 * n
        gw = None if weight is None else column_sums(product)
        along = product.dot(average if weight is None else average * weight)[:, None]
        np.multiply(n, along, product)
        gx = np.subtract(g2 if weight is None else g2 * weight, product, product)
        gx *= rstd
        return gx.reshape(shape), gw

    return _affine(n, weight, None).reshape(shape), vjp


def dyt(x: Array, alpha: Array, weight: Array | None = None, bias: Array | None = None) -> tuple[Array, Vjp]:
    """y = t * weight + bias,  t = tanh(alpha x)

    x (..., C), alpha (1,), weight (C,), bias (C,) -> (..., C)       Zhu et al. 2025, arXiv:2503.10622
    """
    x2 = rows(x)
    t = x2 * alpha
    np.tanh(t, t)

    def vjp(g: Array) -> tuple[Array | None, ...]:
        g2 = rows(g)
        gx = t * t
        np.subtract(1.0, gx, gx)
        gx *= g2
        if weight is not None:
            gx *= weight  # dL/du, u = alpha x
        galpha = np.vdot(gx, x2).reshape(1)
        gx *= alpha
        gw = None if weight is None else column_sums(g2 * t)
        return gx.reshape(x.shape), galpha, gw, None if bias is None else column_sums(g2)

    return _affine(t, weight, bias).reshape(x.shape), vjp


def _reciprocal_root(x2: Array, eps: float) -> Array:
    """1 / sqrt(mean(x^2) + eps) of each row, as sqrt(C) / sqrt(sum(x^2) + C eps)       (N, C) -> (N, 1)"""
    C = x2.shape[1]
    if not C:
        raise ValueError("norm of no number: give one at least")
    root = np.vecdot(x2, x2)
    root += C * eps
    np.sqrt(root, root)
    return np.divide(math.sqrt(C), root, root)[:, None]


def _affine(n: Array, weight: Array | None, bias: Array | None) -> Array:
    """n * weight + bias; n itself, which no one writes into, where there is neither. Raises ValueError on a length."""
    if weight is None and bias is None:
        return n
    for parameter in (weight, bias):
        if parameter is not None and parameter.shape != n.shape[1:]:
            raise ValueError(f"norm: rows of {n.shape[1]} and a gain or bias of {parameter.shape} need the same length")
    if weight is None:
        return n + bias
    y = n * weight
    if bias is not None:
        y += bias
    return y
