"""Cross-entropy, fused with softmax, soft-cap and label smoothing."""

from __future__ import annotations

import math

import numpy as np

from .elementwise import Array, Vjp, opaque
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
    z, y = _cap(rows(logits), softcap) if softcap else rows(logits), targets.reshape(-1)  # (N, V), (N,)
    if len(y) != len(z):
        raise ValueError(f"cross_entropy: logits are {logits.shape} and targets {targets.shape}: give one target a row")
    loss, e, total = [np.empty(shape, z.dtype, like=z) for shape in ((), z.shape, y.shape)]
    _forward(loss, e, total, z, y, label_smoothing)

    def vjp(g: Array) -> tuple[Array]:
        gz = np.empty(z.shape, z.dtype, like=z)
        _backward(gz, g, e, total, z, y, label_smoothing, softcap)
        return (gz.reshape(logits.shape),)

    return loss, vjp


@opaque
def _forward(loss: Array, e: Array, total: Array, z: Array, y: Array, smoothing: float) -> None:
    """Write the loss () and what its gradient needs: e = exp(z - m) (N, V) and its row sums, total (N,)"""
    n_rows, n_classes = z.shape
    y, counted, share = _split_ignored(y, n_classes, z.dtype)
    try:
        losses = z[counting(n_rows), y]
    except IndexError:
        raise _no_class(int(y.max()), n_classes) from None
    if smoothing:
        losses *= 1.0 - smoothing
        losses += z.dot(filled(n_classes, smoothing / n_classes, z.dtype))
    np.copyto(e, z)
    total[...], largest = exp_rows(e)
    np.subtract(np.log(total), losses, losses)
    if largest is not None:
        losses += largest
    shares = filled(n_rows, share, losses.dtype) if counted is None else counted * share
    loss[...] = losses.dot(shares)
    if counted is not None and not math.isfinite(loss):  # 0 times nan is not 0
        loss[...] = np.where(counted == 0, 0.0, losses).dot(shares)


@opaque
def _backward(gz: Array, g: Array, e: Array, total: Array, z: Array, y: Array, smoothing: float, cap: float) -> None:
    """Write gz = g dL/dlogits (N, V), 0 in ignored rows"""
    n_rows, n_classes = z.shape
    y, counted, share = _split_ignored(y, n_classes, z.dtype)
    weight = float(g) * share
    weights: Array | float = weight if counted is None else counted * weight
    np.multiply(e, (weights / total)[:, None], gz)
    gz[counting(n_rows), y] -= weights * (1.0 - smoothing)
    if smoothing:
        spread = weights * (smoothing / n_classes)
        gz -= spread if counted is None else spread[:, None]
    if cap:
        slope = z * (1.0 / cap)
        slope *= slope
        gz *= np.subtract(1.0, slope, slope)  # d cap(z)/dz = 1 - tanh^2
    if counted is not None:
        gz[counted == 0] = 0.0  # it may be nan: 0 times nan is not 0


def _split_ignored(y: Array, n_classes: int, dtype: np.dtype) -> tuple[Array, Array | None, float]:
    """y with 0 for -1 (N,); 1 where a row counts, 0 where it is ignored (N,), None if all count; 1 / how many count"""
    lowest = y.item(y.argmin()) if len(y) else 0
    if lowest < -1:
        raise _no_class(lowest, n_classes)
    if lowest >= 0:
        return y, None, 1.0 / max(len(y), 1)
    return np.maximum(y, 0), (y >= 0).astype(dtype), 1.0 / max(int(np.count_nonzero(y >= 0)), 1)


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
    _normalise_exp(p)

    def vjp(g: Array) -> tuple[Array]:
        g2 = rows(g)
        gx = g2 - np.vecdot(g2, p)[:, None]
        gx *= p
        return (gx.reshape(x.shape),)

    return p.reshape(x.shape), vjp


@opaque
def _normalise_exp(z: Array) -> None:
    """Turn z into exp(z) / its row sums in place       (N, C)"""
    total = exp_rows(z)[0]
    z *= np.reciprocal(total, total)[:, None]


def exp_rows(z: Array) -> tuple[Array, Array | None]:
    """Turn z into exp(z - m) in place; return its row sums and m       (N, C) -> (N,), (N,) or None

    m, the largest of a row, keeps exp from overflowing. Where nothing can overflow it is left out and its two passes
    are saved: NumPy's largest of all numbers is ten times faster than its largest of each row.
    """
    largest: Array | None = None
    low, high = extremes(z)
    if not (low >= -SAFE and high <= SAFE):  # so that nan is not safe
        largest = np.maximum.reduce(z, axis=-1)
        z -= largest[:, None]
    np.exp(z, z)
    return z.dot(filled(z.shape[1], 1.0, z.dtype)), largest


def extremes(z: Array) -> tuple[float, float]:
    """The smallest and the largest, nan if there is one, 0 and 0 of nothing; on small arrays argmax beats max."""
    return (z.item(z.argmin()), z.item(z.argmax())) if z.size else (0.0, 0.0)
