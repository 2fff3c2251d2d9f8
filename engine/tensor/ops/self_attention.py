"""Attention from the packed product: q, k and v are views of one array, and so are their gradients."""

from __future__ import annotations

import numpy as np

from .attention import attend
from .elementwise import Array, Vjp
from .norms import rms_norm
from .rope import rotate, rotations


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
) -> tuple[Array, Vjp]:
    """y = attention(q, k, v), heads merged, of qkv = [q | k | v]: H heads of q, then Hkv of k, then Hkv of v

    qkv (B, T, (H + 2 Hkv) D) -> (B, T, H D). With `positions` (T,) or (B, T) queries and keys are rotated first
    (rope), with qk_norm_eps > 0 RMS-normalised after that, head by head. Nothing is copied to split or to merge:
    equal to split_heads, rope, rms_norm, attention, merge_heads, without their passes over memory.
    """
    B, T, width = qkv.shape
    G = n_kv_head or n_head
    D = width // (n_head + 2 * G)
    if width != (n_head + 2 * G) * D:
        raise ValueError(f"self_attention: qkv is {qkv.shape}, which does not hold {n_head} + 2 x {G} equal heads")
    n_placed = n_head + G  # the heads of q and k
    heads = qkv.reshape(B, T, n_head + 2 * G, D).transpose(0, 2, 1, 3)  # (B, H + 2 Hkv, T, D), a view
    placed, turns, back_norm = heads[:, :n_placed], None, None
    if positions is not None:
        turns = rotations(positions, D, base, qkv.dtype)
        placed = rotate(placed, turns)
    if qk_norm_eps:
        placed, back_norm = rms_norm(placed, eps=qk_norm_eps)
    q, k, v = placed[:, :n_head], placed[:, n_head:], heads[:, n_placed:]
    y = np.empty((B, T, n_head * D), qkv.dtype, like=qkv)
    back = attend(q, k, v, _heads_of(y, n_head), window=window, segments=segments, scale=scale)

    def vjp(g: Array) -> tuple[Array]:
        gqkv = np.empty(qkv.shape, qkv.dtype, like=qkv)
        gheads = _heads_of(gqkv, n_head + 2 * G)
        gplaced = gheads[:, :n_placed]
        back(_heads_of(g, n_head), gplaced[:, :n_head], gplaced[:, n_head:], gheads[:, n_placed:])
        if back_norm is not None:
            gplaced[...] = back_norm(gplaced)[0]
        if turns is not None:
            gplaced[...] = rotate(gplaced, turns.conj())
        return (gqkv,)

    return y, vjp


def _heads_of(x: Array, n_head: int) -> Array:
    """(B, T, H D) -> (B, H, T, D), a view"""
    B, T, C = x.shape
    return x.reshape(B, T, n_head, C // n_head).transpose(0, 2, 1, 3)
