"""Cross-entropy, fused with softmax, soft-cap and label smoothing."""

from __future__ import annotations

import math

import numpy as np

from .elementwise import Array, Vjp
from .shapes import counting, filled, rows


def cross_entropy(
    logits: Array, *, targets: Array, label_smoothing: float = 0.0, softcap: float = 0.0
) -> tuple[Array, Vjp]:
    """L = mean over targets y_i != -1 of logsumexp(z_i) - sum_j t_ij z_ij, in nats

    logits (..., V), targets (...) int -> ()
    t = (1 - label_smoothing) onehot(y) + label_smoothing / V;  z = softcap tanh(logits / softcap) where softcap > 0.
    dL/dz = (softmax(z) - t) / n. Where every target is ignored the loss is 0, and so is its gradient; an ignored row
    may hold anything, nan too. Raises IndexError on a target that is no class and not -1.
    """
    capped = _cap(rows(logits), softcap) if softcap else rows(logits)  # (N, V)
    (n_rows, n_classes), y = capped.shape, targets.reshape(-1)
    if len(y) != n_rows:
        raise ValueError(f"cross_entropy: logits are {logits.shape} and targets {targets.shape}: give one target a row")
    every = counting(n_rows)
    lowest = y.item(y.argmin()) if n_rows else 0
    if lowest < -1:
        raise _no_class(lowest, n_classes)
    n = n_rows if lowest >= 0 else int(np.count_nonzero(y >= 0))
    counted = None if n == n_rows else (y >= 0).astype(capped.dtype)  # (N,) of 0 or 1
    y = y if counted is None else np.maximum(y, 0)
    share = 1.0 / max(n, 1)
    e = capped.copy()
    try:
        losses = capped[every, y]
    except IndexError:
        raise _no_class(int(y.max()), n_classes) from None
    if label_smoothing:
        losses *= 1.0 - label_smoothing
        losses += capped.dot(filled(n_classes, label_smoothing / n_classes, e.dtype))
    total, largest = exp_rows(e)
    np.subtract(np.log(total), losses, losses)
    if largest is not None:
        losses += largest
    shares = filled(n_rows, share, losses.dtype) if counted is None else counted * share
    loss, stray = losses.dot(shares), None
    if counted is not None and not math.isfinite(loss):  # 0 times nan is not 0
        stray = counted == 0
        loss = np.where(stray, 0.0, losses).dot(shares)

    def vjp(g: Array) -> tuple[Array]:
        weight = float(g) * share
        weights: Array | float = weight if counted is None else counted * weight
        gz = e * (weights / total)[:, None]
        gz[every, y] -= weights * (1.0 - label_smoothing)
        if label_smoothing:
            spread = weights * (label_smoothing / n_classes)
            gz -= spread if counted is None else spread[:, None]
        if softcap:
            slope = capped * (1.0 / softcap)
            slope *= slope
            gz *= np.subtract(1.0, slope, slope)  # d cap(z)/dz = 1 - tanh^2
        if stray is not None:
            gz[stray] = 0.0
        return (gz.reshape(logits.shape),)

    return loss, vjp


def _no_class(target: int, n_classes: int) -> Exception:
    if not n_classes:
        return ValueError("cross_entropy of no logits: give one at least")
    return IndexError(f"cross_entropy: target {target} is no class: give 0 to {n_classes - 1}, or -1 to ignore the row")


def _cap(z: Array, softcap: float) -> Array:
    """softcap tanh(z / softcap)"""
    z = z * (1.0 / softcap)
    np.tanh(z, z)
    z *= softcap
    return z


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
