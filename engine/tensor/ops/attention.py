"""Causal scaled dot-product attention, worked in tiles that stay in the cache.

softmax(s) v = (e v) / sum(e) with e = exp(s): the tile of e is never normalised, only the much smaller result is.
Tiles above the diagonal are not computed. What backward saves is e and the sums.

dL/ds = p (g v^T - mean), and the mean under p is g . y, a short product where p . (g v^T) is a long one. Where one key
has all the weight the difference is 0 and what is computed is a rounding of |g| |v|, multiplied by |k| and |q|. It
matters where these are huge, so there, and only there, the mean is taken apart from its largest term: with m the
heaviest key, u = g v^T and d = u - u_m, u - mean = d - sum_s p_s d_s, of which key m has only the others' small terms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .elementwise import Array, Vjp, opaque
from .losses import SAFE, extremes
from .shapes import filled

_TILE_ROWS = 32
"""Queries in a tile: less waste above the diagonal against more calls (measured)."""
_TILE_SIZE = 1 << 17
"""Scores in a tile, about: half a MiB of float32 stays in a core's L2 cache."""
_SHORT = 32
"""Below this many queries a product with k^T costs less than copying k^T first (measured)."""

_SATURATED = 16.0
"""Below this distance between two scores no key has all the weight: e^-16 is seen beside 1 in float32."""
_HUGE = 1 << 13
"""|v| |k| c from which the rounding of the mean is seen: a thousandth of the other gradients in float32."""

Backward = Callable[[Array, Array, Array, Array], None]


def attention(
    q: Array,
    k: Array,
    v: Array,
    *,
    window: int = 0,
    segments: Array | None = None,
    lengths: Array | None = None,
    scale: float = 1.0,
) -> tuple[Array, Vjp]:
    """y = softmax(scale q k^T / sqrt(D) + mask) v

    q (B, H, T, D), k and v (B, Hkv, S, D) -> (B, H, T, D)       Vaswani et al. 2017, arXiv:1706.03762
    Query t stands at position S - T + t and sees the keys up to there, so one op serves training (S = T) and decoding
    with a cache (S > T). Query head i uses key head i // (H / Hkv)       Ainslie et al. 2023, arXiv:2305.13245
    window W > 0: itself and the W - 1 keys before. segments (B, S) int: keys of its own segment only. lengths (B,)
    int: of row b only the first lengths[b] keys are there, and query t stands at lengths[b] - T + t. What lies beyond
    must be finite all the same (a cache starts as zeros), since it is multiplied by 0.
    """
    check_shapes(q, k, v)
    y = _like_merged(q)
    back = attend(q, k, v, y, window=window, segments=segments, lengths=lengths, scale=scale)

    def vjp(g: Array) -> tuple[Array, Array, Array]:
        gq, gk, gv = _like_merged(q), _like_merged(k), _like_merged(v)
        back(g, gq, gk, gv)
        return gq, gk, gv

    return y, vjp


def attend_last(q: Array, k: Array, v: Array, *, window: int = 0, scale: float = 1.0) -> Array:
    """The same for one query a row, the last position, without a way back: the step that decoding repeats

    q (B, H, 1, D), k and v (B, Hkv, S, D) -> (B, H, 1, D). A third faster than `attention` there (docs/log.md).
    """
    if window and k.shape[2] > window:
        k, v = k[:, :, -window:], v[:, :, -window:]
    p = (_grouped(q, k.shape[1])[:, :, :, 0] * (scale / math.sqrt(q.shape[-1]))) @ k.swapaxes(-1, -2)  # (B, Hkv, R, S)
    p -= p.max(-1, keepdims=True)
    np.exp(p, p)
    p /= p.sum(-1, keepdims=True)
    return (p @ v).reshape(q.shape)


def attend(
    q: Array,
    k: Array,
    v: Array,
    y: Array,
    *,
    window: int = 0,
    segments: Array | None = None,
    lengths: Array | None = None,
    scale: float = 1.0,
) -> Backward:
    """Write attention's result into y (any layout); return back(g, gq, gk, gv), which writes the gradients."""
    (B, H, T, D), (_, G, S, _) = q.shape, k.shape
    c = scale / math.sqrt(D)
    q5, y5 = _grouped(q, G), _grouped(y, G)  # (B, G, R, T, D), views
    seen = None if segments is None and lengths is None else visible(B, T, S, window, segments, lengths)
    tiles = tiles_of(B, H, T, S, window, lengths is not None, q.dtype)
    short = T < _SHORT
    right = k.swapaxes(-1, -2) if short else _scaled_transpose(k, c)
    # The largest distance of two scores in a tile; where rows of one key may be many, the scores do not say so.
    distance = np.full(1, math.inf if S == 1 or window == 1 or seen is not None else 0.0, like=q)
    saved = []
    for tile in tiles:
        b, t, s = tile.batch, tile.queries, tile.keys
        e = _rows(q5[b, :, :, t]) @ right[b, :, :, s]  # (b, G, R t, s)
        if short:
            e *= c
        scores = e.reshape(len(e), G, H // G, -1, e.shape[-1])  # (b, G, R, t, s)
        inverse = np.empty((*e.shape[:-1], 1), e.dtype, like=e)  # (b, G, R t, 1)
        _exp(scores, inverse, distance, tile.mask if seen is None else seen[b, None, None, t, s])
        product = e @ v[b, :, s]
        to = y5[b, :, :, t]
        np.multiply(product.reshape(to.shape), inverse.reshape(*to.shape[:-1], 1), to)
        saved.append((e, inverse))

    def back(g: Array, gq: Array, gk: Array, gv: Array) -> None:
        g5, gq5 = _grouped(g, G), _grouped(gq, G)
        right = v.swapaxes(-1, -2) if short else _scaled_transpose(v, c)
        taken_apart = np.full(1, False, like=q)
        _decide(taken_apart, distance, q, k, y, c)
        if window or lengths is not None:
            gk[...] = 0
            gv[...] = 0
        for tile, (e, inverse) in zip(reversed(tiles), reversed(saved), strict=True):
            b, t, s = tile.batch, tile.queries, tile.keys
            whole = not window and t.stop == T
            gy = _rows(g5[b, :, :, t]) * inverse  # g / sum(e)       (b, G, R t, D)
            gs = (gy * c if short else gy) @ right[b, :, :, s]
            _subtract_mean(gs, e, inverse, gy, _rows(y5[b, :, :, t]), c, taken_apart)
            gs *= e  # dL/d(q k^T) = c p (g v^T - mean)
            to = gq5[b, :, :, t]
            if to.shape[2] == 1:
                np.matmul(gs, k[b, :, s], to[:, :, 0])
            else:
                to[...] = (gs @ k[b, :, s]).reshape(to.shape)
            for into, weights, vectors in ((gk, gs, _rows(q5[b, :, :, t])), (gv, e, gy)):
                if whole:  # the last queries see every key: the first tile that is walked sets, the others add
                    np.matmul(weights.swapaxes(-1, -2), vectors, into[b, :, s])
                else:
                    into[b, :, s] += weights.swapaxes(-1, -2) @ vectors

    return back


def visible(B: int, T: int, S: int, window: int, segments: Array | None, lengths: Array | None) -> Array:
    """True where query t of row b may look at key s       -> (B, T, S) bool"""
    ends = np.full(B, S) if lengths is None else np.asarray(lengths)
    positions = ends[:, None] - T + np.arange(T)  # (B, T)
    keys = np.arange(S)
    seen = keys <= positions[..., None]  # (B, T, S)
    if window:
        seen &= keys > positions[..., None] - window
    if segments is not None:
        own = np.take_along_axis(segments, np.maximum(positions, 0), axis=1)
        seen = seen & (own[..., None] == segments[:, None])  # not &=: segments may be recorded, seen is not
    return seen


class Tile(NamedTuple):
    """A block of the score matrix; `mask` (t, s), 0 or 1, covers its last columns, the others are all seen."""

    batch: slice
    queries: slice
    keys: slice
    mask: Array | None


@lru_cache(maxsize=256)
def tiles_of(B: int, H: int, T: int, S: int, window: int, ragged: bool, dtype: np.dtype) -> tuple[Tile, ...]:
    """The blocks that a causal (and windowed) attention has to look at. `ragged`: whole rows, rows differ in length."""
    n_blocks = 1 if ragged else -(-T // _TILE_ROWS)
    size = -(-T // max(1, n_blocks))
    tiles = []
    for first in range(0, T, max(1, size)):
        t = slice(first, min(T, first + size))
        low = max(0, S - T + first - window + 1) if window and not ragged else 0
        s = slice(low, S if ragged else S - T + t.stop)
        n_batch = max(1, _TILE_SIZE // (H * (t.stop - first) * max(1, s.stop - low)))
        mask = None
        if window and not ragged:
            mask = visible(1, T, S, window, None, None)[0, t, s].astype(dtype)
        elif t.stop - first > 1 and not ragged:
            mask = np.tri(t.stop - first, dtype=dtype)  # the block on the diagonal
        tiles += [Tile(slice(b, min(B, b + n_batch)), t, s, mask) for b in range(0, B, n_batch)]
    return tuple(tiles)


def check_shapes(q: Array, k: Array, v: Array) -> None:
    """Raises ValueError, naming the shapes, unless q (B, H, T, D) and k, v (B, Hkv, S, D) fit each other."""
    (B, H, T, D), (_, G, S, _) = q.shape, k.shape
    if k.shape != v.shape or k.shape != (B, G, S, D) or S < T or H % G:
        raise ValueError(
            f"attention: q is {q.shape}, k {k.shape}, v {v.shape}: they must be (B, H, T, D), (B, Hkv, S, D) and "
            "(B, Hkv, S, D) with S >= T and H a multiple of Hkv"
        )


@opaque
def _exp(scores: Array, inverse: Array, distance: Array, mask: Array | None) -> None:
    """Turn scores into exp(scores - m) in place, 0 where the mask is 0; write 1 / the sum of each row into `inverse`.

    m is 0 where it is safe, since no exp can overflow or vanish, else the largest of a row. distance (1,) is raised.
    """
    low, high = extremes(scores)
    distance[0] = max(distance.item(), high - low)
    seen = None if mask is None else scores[..., -mask.shape[-1] :]
    if low >= -SAFE and high <= SAFE:
        np.exp(scores, scores)
        if seen is not None:
            seen *= mask
    else:
        if seen is not None:
            np.copyto(seen, -np.inf, where=mask == 0)
        largest = np.maximum.reduce(scores, axis=-1, keepdims=True)
        scores -= np.maximum(largest, np.finfo(scores.dtype).min)  # a row that sees nothing stays -inf, not nan
        np.exp(scores, scores)
    n = scores.shape[-1]
    total = scores.reshape(-1, n).dot(filled(n, 1.0, scores.dtype), inverse.reshape(-1))  # a view of inverse
    if mask is not None and mask.ndim > 2:
        total += total == 0  # a row that sees nothing gives 0
    np.reciprocal(total, total)


@opaque
def _decide(taken_apart: Array, distance: Array, q: Array, k: Array, y: Array, c: float) -> None:
    """Set taken_apart (1,), which is False, where a key may have all the weight and the mean's rounding may be seen."""
    if distance.item() > _SATURATED:
        size_q, size_k, size_y = [float(max(x.max(initial=0.0), -x.min(initial=0.0))) for x in (q, k, y)]  # max|x|
        taken_apart[0] = c * q.shape[-1] * size_y * max(size_q, size_k) > _HUGE


@opaque
def _subtract_mean(gs: Array, e: Array, inverse: Array, gy: Array, y: Array, c: float, taken_apart: Array) -> None:
    """gs -= its mean under p = e / sum(e), in place       gs, e (b, G, R t, s), inverse (..., 1), gy, y (..., D)"""
    if taken_apart.item():
        gs -= np.take_along_axis(gs, e.argmax(-1)[..., None], -1)
        gs -= np.vecdot(e, gs)[..., None] * inverse
    else:
        gs -= (np.vecdot(gy, y) * c)[..., None]  # the mean is g . y; over sum(e), as gs and gy are


def _grouped(x: Array, n_groups: int) -> Array:
    """(B, H, T, D) -> (B, G, R, T, D), a view in any layout"""
    B, H, T, D = x.shape
    return x.reshape(B, n_groups, H // n_groups, T, D)


def _rows(x: Array) -> Array:
    """(b, G, R, t, D) -> (b, G, R t, D), a view where R = 1: the heads of a group are more rows of one product"""
    b, n_groups, repeats, t, d = x.shape
    return x[:, :, 0] if repeats == 1 else x.reshape(b, n_groups, repeats * t, d)


def _like_merged(x: Array) -> Array:
    """An empty (B, H, T, D) that lies in memory as (B, T, H, D), so that merging the heads is a view"""
    B, H, T, D = x.shape
    return np.empty((B, T, H, D), x.dtype, like=x).transpose(0, 2, 1, 3)


def _scaled_transpose(x: Array, c: float) -> Array:
    """c x^T       (B, G, S, D) -> (B, G, D, S), contiguous: BLAS is nearly twice as fast on it for small heads"""
    B, n_groups, S, D = x.shape
    return np.multiply(x.swapaxes(-1, -2), c, np.empty((B, n_groups, D, S), x.dtype, like=x))
