"""Self-attention in its plainest spelling: three small steps, of which a specimen gets one wrong.

Equal to the shipped op, which never forms the matrix of weights (a test compares them): four lines to read for 226.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...engine.tensor.ops.attention import visible
from ...engine.tensor.ops.elementwise import Array, Vjp
from ...engine.tensor.ops.norms import rms_norm
from ...engine.tensor.ops.rope import rope
from .specimen import Swaps, op

Step = Callable[..., tuple[Array, Any]]


def scores(q: Array, k: Array) -> tuple[Array, Vjp]:
    """q k^T / sqrt(D)       (B, H, T, D), (B, H, T, D) -> (B, H, T, T)"""
    c = 1 / math.sqrt(q.shape[-1])
    return q @ k.swapaxes(-1, -2) * c, lambda g: (g @ k * c, g.swapaxes(-1, -2) @ q * c)


def weights(s: Array, seen: Array) -> tuple[Array, Vjp]:
    """softmax over the keys that are seen       s, seen (B, H, T, T) -> (B, H, T, T)"""
    s = np.where(seen, s, -np.inf)
    e = np.exp(s - s.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    return p, lambda g: (p * (g - (g * p).sum(-1, keepdims=True)),)


def merge(y: Array) -> tuple[Array, Vjp]:
    """The heads of a token side by side       (B, H, T, D) -> (B, T, H D)"""
    B, H, T, D = y.shape
    out = y.swapaxes(1, 2).reshape(B, T, H * D)
    return out, lambda g: (g.reshape(B, T, H, D).swapaxes(1, 2),)


def attention_with(name: str) -> Callable[[Any], Swaps]:
    """In place of one of the three steps."""
    return lambda fault: op("self_attention")(partial(self_attention, **{name: fault}))


def self_attention(
    qkv: Array,
    *,
    n_head: int,
    n_kv_head: int = 0,
    positions: Array | None = None,
    base: float = 10000.0,
    qk_norm_eps: float = 0.0,
    window: int = 0,
    segments: Array | None = None,
    scale: float = 1.0,
    scores: Step = scores,
    weights: Step = weights,
    merge: Step = merge,
) -> tuple[Array, Vjp]:
    """As ops.self_attention, of these steps       qkv (B, T, (H + 2 Hkv) D) -> (B, T, H D)"""
    (B, T, width), G = qkv.shape, n_kv_head or n_head
    H, D = n_head, width // (n_head + 2 * G)
    heads = qkv.reshape(B, T, H + 2 * G, D).swapaxes(1, 2)  # (B, H + 2 Hkv, T, D)
    placed = heads[:, : H + G]
    backs: list[Any] = []  # of what q and k go through, in order
    if positions is not None:
        placed, back = rope(np.ascontiguousarray(placed), positions=positions, base=base)
        backs.append(back)
    if qk_norm_eps:
        placed, back = rms_norm(placed, eps=qk_norm_eps)
        backs.append(back)
    q, k, v = placed[:, :H], *(np.repeat(x, H // G, 1) for x in (placed[:, H:], heads[:, H + G :]))
    seen = np.broadcast_to(visible(B, T, T, window, segments, None)[:, None], (B, H, T, T))
    s, back_scores = scores(q, k)
    p, back_weights = weights(s if scale == 1 else s * scale, seen)
    y, back_merge = merge(p @ v)

    def vjp(g: Array) -> tuple[Array]:
        (gy,) = back_merge(g)
        (gs,) = back_weights(gy @ v.swapaxes(-1, -2))
        gq, gk = back_scores(gs if scale == 1 else gs * scale)
        gv = p.swapaxes(-1, -2) @ gy
        gk, gv = (x.reshape(B, G, H // G, T, D).sum(2) for x in (gk, gv))
        gplaced = np.concatenate([gq, gk], 1)
        for back in reversed(backs):
            gplaced = back(np.ascontiguousarray(gplaced))[0]
        return (np.concatenate([gplaced, gv], 1).swapaxes(1, 2).reshape(qkv.shape).astype(qkv.dtype),)

    return y.astype(qkv.dtype), vjp
