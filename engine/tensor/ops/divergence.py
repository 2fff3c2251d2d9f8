"""The Kullback-Leibler divergence of two predictions, by their logits. Beside the core: who distils imports it."""

from __future__ import annotations

import numpy as np

from .elementwise import Array, Vjp
from .losses import exp_rows
from .shapes import rows


def kl_divergence(
    logits: Array, *, teacher: Array, targets: Array | None = None, temperature: float = 1.0
) -> tuple[Array, Vjp]:
    """L = T^2 mean of sum_j p_j (log p_j - log q_j), p = softmax(teacher / T), q = softmax(logits / T), in nats

    logits, teacher (..., V), targets (...) int: rows of -1 are left out, as by cross_entropy; None: all count -> ()
    dL/dz = T (q - p) / n. T^2 keeps its size as T grows.       Hinton et al. 2015, arXiv:1503.02531
    """
    z, t = rows(logits) / temperature, rows(teacher) / temperature  # (N, V)
    if z.shape != t.shape:
        raise ValueError(f"kl_divergence: logits are {logits.shape} and teacher {teacher.shape}: give as many of each")
    counted = np.ones(len(z), z.dtype) if targets is None else (targets.reshape(-1) >= 0).astype(z.dtype)
    weights = counted / max(1.0, float(counted.sum()))  # (N,)
    log_p, p = _log_softmax(t)
    log_q, q = _log_softmax(z)
    with np.errstate(invalid="ignore"):  # p of 0 has a log of -inf, and adds nothing
        each = np.where(p > 0, p * (log_p - log_q), 0.0).sum(-1)
    loss = np.asarray(temperature * temperature * np.where(counted > 0, each, 0.0).dot(weights), logits.dtype)

    def vjp(g: Array) -> tuple[Array]:
        gz = q - p
        gz *= (float(g) * temperature * weights)[:, None]
        gz[counted == 0] = 0.0
        return (gz.reshape(logits.shape),)

    return loss, vjp


def _log_softmax(z: Array) -> tuple[Array, Array]:
    """log softmax(z) and softmax(z)       (N, V) -> (N, V), (N, V)"""
    e = z.copy()
    total, largest = exp_rows(e)
    shift = np.log(total) if largest is None else np.log(total) + largest
    return z - shift[:, None], e / total[:, None]
