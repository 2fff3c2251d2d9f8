"""The norms of exercise 6a, and known wrong answers, beside the right spelling that they are changed from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ...exercise import Answer, Wrong
from ..arrays.spelling import Array, Op, Vjp

Kind = Literal["mean", "sum", "pairs", "half"]


@dataclass(frozen=True)
class Norm:
    """y = x / s * gain, with s^2 = share of the sum of x_j^2 over a room of channels, + eps"""

    kind: Kind
    one_more: bool
    """The gain is 1 + weight."""

    @property
    def square(self) -> str:
        """What stands under the root, in words."""
        return {
            "mean": "mean over the channels of x^2",
            "sum": "sum over the channels of x^2",
            "pairs": "mean of x^2 over the pair that the channel is in: 0 and 1, 2 and 3, ...",
            "half": "mean of x^2 over the first half of the channels",
        }[self.kind]

    @property
    def gain_words(self) -> str:
        """As the formula has it."""
        return "(1 + weight)" if self.one_more else "weight"

    def gain(self, weight: Any) -> Any:
        """Of a number or an array."""
        return 1 + weight if self.one_more else weight

    def rooms(self, i: int, c: int) -> Sequence[int]:
        """The channels that the size of channel i depends on."""
        if self.kind == "pairs":
            return (i - i % 2, i - i % 2 + 1)
        return range(c // 2) if self.kind == "half" else range(c)

    def share(self, c: int) -> float:
        """Of each square in s^2."""
        return {"mean": 1 / c, "sum": 1.0, "pairs": 0.5, "half": 2 / c}[self.kind]

    def matrix(self, c: int) -> Array:
        """M with s^2 = (x * x) M       (C, C)"""
        matrix = np.zeros((c, c))
        for i in range(c):
            matrix[list(self.rooms(i, c)), i] = self.share(c)
        return matrix


@dataclass(frozen=True)
class _Spelling:
    """The right one; each field is a place where a mistake goes in."""

    matrix: Callable[[Norm, int], Array] = Norm.matrix
    back: Callable[[Norm, int], Array] = Norm.matrix
    """The same, on the way back."""
    centred: bool = False
    whole: bool = False
    """Of all rows together."""
    root: Callable[[Array, float], Array] = lambda square, eps: np.sqrt(square + eps)
    gain: Callable[[Norm, Array], Array] = Norm.gain
    second: float = -1.0
    """Factor of the term by which s moves."""
    gain_back: bool = True
    """g meets the gain before it goes on."""
    divides: bool = True
    by_gain: Callable[[Array, Array, Array, Array], Array] = lambda g, n, x, gain: (g * n).sum(0)

    def __call__(self, v: Norm) -> Op:
        return lambda x, weight, *, eps: self._norm(v, x, weight, eps)

    def _norm(self, v: Norm, x: Array, weight: Array, eps: float) -> tuple[Array, Vjp]:
        x = x - x.mean(-1, keepdims=True) if self.centred else x
        square = x * x @ self.matrix(v, x.shape[-1])
        if self.whole:
            square = np.full_like(square, square.mean())
        s = self.root(square, eps)
        with np.errstate(all="ignore"):  # 0/0 of a mistake
            n, gain = x / s, self.gain(v, weight)

        def vjp(g: Array) -> tuple[Array, Array]:
            inner = g * gain if self.gain_back else g
            with np.errstate(all="ignore"):
                through_s = x * ((inner * n / (s * s)) @ self.back(v, x.shape[-1]).T)
                dx = inner / s + self.second * through_s
            return dx if self.divides else dx * s, self.by_gain(g, n, x, gain)

        return n * gain, vjp


_RIGHT = _Spelling()
norm = _RIGHT.__call__
"""v -> the right answer in arrays."""


def _with(**changed: Any) -> Callable[[Norm], Answer]:
    spelled = replace(_RIGHT, **changed)
    return lambda v: {"norm": spelled(v)}


def _other(v: Norm, c: int) -> Array:
    """Sum for mean, mean for sum."""
    matrix = v.matrix(c)
    return (matrix > 0) / c if v.kind == "sum" else (matrix > 0) * 1.0


def _before(v: Norm) -> Answer:
    """The gain is multiplied in first, and the norm takes its size out again."""

    def op(x: Array, weight: Array, *, eps: float) -> tuple[Array, Vjp]:
        gain = v.gain(weight)
        y, back = norm(v)(x * gain, np.zeros_like(weight) if v.one_more else np.ones_like(weight), eps=eps)

        def vjp(g: Array) -> tuple[Array, Array]:
            inner = back(g)[0]
            return inner * gain, (inner * x).sum(0)

        return y, vjp

    return {"norm": op}


MISTAKES = (
    Wrong(
        name="sum or mean",
        answer=_with(matrix=_other, back=_other),
        sentence="under the root stands the sum where the formula has the mean, or the mean where it has the sum: y is "
        "off by a factor that depends on how many channels there are.",
    ),
    Wrong(
        name="whole array",
        answer=_with(whole=True),
        sentence="you took the mean over all rows: a token then depends on its neighbours. Each row by itself.",
    ),
    Wrong(
        name="centred",
        answer=_with(centred=True),
        sentence="the mean was taken out as well: that is LayerNorm's first step. This norm has no centre.",
    ),
    Wrong(
        name="no root",
        answer=_with(root=lambda square, eps: square + eps),
        sentence="x is divided by the mean square, not by its root: an x three times as large has a third of the y.",
    ),
    Wrong(
        name="eps outside",
        answer=_with(root=lambda square, eps: np.sqrt(square) + eps),
        sentence="eps stands outside the root: nobody sees it beside numbers of size 1, but beside 0.001 it changes y, "
        "since 1e-5 under the root is 0.003 outside.",
    ),
    Wrong(
        name="no eps",
        answer=_with(root=lambda square, eps: np.sqrt(square)),
        sentence="eps is missing: a row of zeros is 0/0, and rows of small numbers are blown up to size 1.",
    ),
    Wrong(
        name="other gain",
        answer=lambda v: {"norm": norm(replace(v, one_more=not v.one_more))},
        sentence="the gain is another one: is it weight, or 1 + weight? Look at the formula.",
    ),
    Wrong(
        name="gain first",
        answer=_before,
        sentence="the gain was multiplied in before the norm, which takes its size out again: it belongs after.",
    ),
    Wrong(
        name="norm is a constant",
        answer=_with(second=0.0),
        sentence="you treated the norm as a constant: but x moves s, too. The gradient must be at right angles to x, "
        "and yours has a part along it.",
    ),
    Wrong(
        name="sign of the second term",
        answer=_with(second=1.0),
        sentence="the term by which x moves s has the wrong sign: a larger s makes y smaller.",
    ),
    Wrong(
        name="half of the second term",
        answer=_with(second=-0.5),
        sentence="the second term is half of what it should be: the 2 of x^2 and the 1/2 of the root are both there, "
        "and cancel.",
    ),
    Wrong(
        name="sum or mean, back",
        answer=_with(back=_other),
        sentence="y is right, and on the way back stands a sum where the forward pass has a mean (or the other way "
        "round): the same share belongs into both.",
    ),
    Wrong(
        name="gain forgotten on the way back",
        answer=_with(gain_back=False),
        sentence="g meets the gain first: what reaches x / s is g times the gain, in both terms of dx.",
    ),
    Wrong(
        name="not divided",
        answer=_with(divides=False),
        sentence="dx is s times too large: divide by s once more. How large is dx where x is a thousand times larger?",
    ),
    Wrong(
        name="gain's gradient averaged",
        answer=_with(by_gain=lambda g, n, x, gain: (g * n).mean(0)),
        sentence="the gain is used by every row, and slopes over several paths add: sum over the rows, not their mean.",
    ),
    Wrong(
        name="gain's gradient from x",
        answer=_with(by_gain=lambda g, n, x, gain: (g * x).sum(0)),
        sentence="dweight was taken from x: the gain multiplies x / s, so that is its slope.",
    ),
    Wrong(
        name="gain's gradient times the gain",
        answer=_with(by_gain=lambda g, n, x, gain: (g * gain * n).sum(0)),
        sentence="dweight has the gain in it: y is n times the gain, so the gain's own slope is n.",
    ),
    Wrong(
        name="gain's gradient not summed",
        answer=_with(by_gain=lambda g, n, x, gain: g * n),
        sentence="dweight has a row for every row of x; one gain serves all of them, so its gradient is their sum.",
    ),
)
