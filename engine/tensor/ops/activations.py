"""Nonlinearities of the MLP, each one op with its slope worked out by hand, in as few passes over memory as we found.

Every line is one pass: on arrays larger than the cache a pass costs the same whether it adds or multiplies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .elementwise import Array, Vjp, opaque

_SQRT_2_OVER_PI = math.sqrt(2 / math.pi)
_GELU_CUBIC = 0.044715
_PIECE = 3 << 14
"""Numbers in a piece: four float32 arrays of it are 768 KiB, which stay in a core's L2 cache (measured in training)."""


def relu(x: Array) -> tuple[Array, Vjp]:
    """y = max(x, 0), with slope 0 at 0"""
    y = _positive(x)
    return y, lambda g: (g * (y > 0),)


def relu2(x: Array) -> tuple[Array, Vjp]:
    """y = max(x, 0)^2       So et al. 2021 (Primer), arXiv:2109.08668"""
    r = _positive(x)

    def vjp(g: Array) -> tuple[Array]:
        gx = r * 2.0
        gx *= g
        return (gx,)

    return r * r, vjp


def gelu(x: Array) -> tuple[Array, Vjp]:
    """y = x p,  p = (1 + tanh u) / 2,  u = c (x + a x^3),  c = sqrt(2/pi), a = 0.044715

    dy/dx = p + x dp/dx = p (1 + (1 - p) w),  w = 2 x du/dx       Hendrycks and Gimpel 2016, arXiv:1606.08415
    """
    y, p = np.empty(x.shape, x.dtype, like=x), np.empty(x.shape, x.dtype, like=x)
    for xs, ps, ys in _pieces(x, p, y):
        np.multiply(xs, xs, ps)
        ps *= _SQRT_2_OVER_PI * _GELU_CUBIC
        ps += _SQRT_2_OVER_PI
        ps *= xs
        np.tanh(ps, ps)
        ps *= 0.5
        ps += 0.5
        np.multiply(xs, ps, ys)

    def vjp(g: Array) -> tuple[Array]:
        gx = np.empty(x.shape, x.dtype, like=x)
        for xs, ps, gs, w in _pieces(x, p, g, gx):
            np.multiply(xs, xs, w)
            w *= 6 * _SQRT_2_OVER_PI * _GELU_CUBIC
            w += 2 * _SQRT_2_OVER_PI
            w *= xs
            w *= 1.0 - ps
            w += 1.0
            w *= ps
            w *= gs
        return (gx,)

    return y, vjp


def silu(x: Array) -> tuple[Array, Vjp]:
    """y = x s,  s = sigmoid(x) = (1 + tanh(x/2)) / 2       Elfwing et al. 2017, arXiv:1702.03118"""
    s = _sigmoid(x)
    return x * s, lambda g: (_silu_slope(x, s, g),)


def swiglu(x: Array) -> tuple[Array, Vjp]:
    """y = silu(gate) up, where gate is the first half of x and up the second

    x (..., 2 F) -> (..., F)       Shazeer 2020, arXiv:2002.05202
    """
    half = x.shape[-1] // 2
    if 2 * half != x.shape[-1]:
        raise ValueError(f"swiglu: x is {x.shape}, which has no two equal halves: give it an even last axis")
    gate, up = x[..., :half], x[..., half:]
    s = _sigmoid(gate)
    y = gate * s
    y *= up

    def vjp(g: Array) -> tuple[Array]:
        gx = np.empty(x.shape, x.dtype, like=x)
        np.multiply(gate, s, gx[..., half:])
        gx[..., half:] *= g
        np.multiply(_silu_slope(gate, s, g), up, gx[..., :half])
        return (gx,)

    return y, vjp


def _pieces(*arrays: Array) -> Iterator[list[Array]]:
    """The arrays, flat, piece by piece: eight passes over what stays in the cache cost less than eight over it all"""
    flat = [a.reshape(-1) for a in arrays]
    for first in range(0, flat[0].size, _PIECE):
        yield [a[first : first + _PIECE] for a in flat]


def _positive(x: Array) -> Array:
    """max(x, 0); against a row of zeros, since NumPy's maximum with a number is not vectorised (3x slower)."""
    return np.maximum(x, np.zeros(x.shape[-1:], x.dtype))


def _sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without an exp that can overflow"""
    s = x * 0.5
    np.tanh(s, s)
    s *= 0.5
    s += 0.5
    return s


def _silu_slope(x: Array, s: Array, g: Array) -> Array:
    """g d(x s)/dx = g s (1 + x (1 - s))"""
    slope = 1.0 - s
    slope *= x
    slope += 1.0
    slope *= s
    slope *= g
    return slope


def dropout(x: Array, *, p: float, rng: np.random.Generator) -> tuple[Array, Vjp]:
    """y = x m / (1 - p),  m = 0 with probability p, else 1       Srivastava et al. 2014, JMLR 15

    Inverted: the mean of y is x, so that nothing is rescaled when it is left out. 16 random bits a number.
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout: p={p} is not a probability below 1: give e.g. p=0.1")
    mask = np.empty(x.shape, x.dtype, like=x)
    _draw_mask(mask, p, rng)
    return x * mask, lambda g: (g * mask,)


@opaque
def _draw_mask(mask: Array, p: float, rng: np.random.Generator) -> None:
    """0 with probability p, else 1 / (1 - p)"""
    n_words = -(-mask.size // 4)  # four 16-bit draws in each 64-bit word, the same on every platform
    bits = rng.integers(0, 1 << 64, n_words, dtype=np.uint64).astype("<u8", copy=False).view("<u2")[: mask.size]
    np.copyto(mask, (bits >= round(p * 65536)).reshape(mask.shape))
    mask *= 1.0 / (1.0 - p)
