"""The attentions of exercise 7a, and known wrong answers, beside the right spelling that they are changed from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...exercise import Answer, Wrong
from ..arrays.spelling import Array, Op, Vjp


@dataclass(frozen=True)
class Look:
    """Which keys a query sees, and what becomes of a score before it is a weight."""

    window: int = 0
    """It sees itself and the window - 1 before; 0 is all of them."""
    stride: int = 1
    """It sees every so manieth key, counted back from itself."""
    slope: float = 0.0
    """Taken from a score for every step of distance."""
    cap: float = 0.0
    """A score s becomes cap tanh(s / cap); 0 leaves it."""
    sink: bool = False
    """One more key, of score 0 and value 0."""

    def sees(self, t: int, s: int) -> bool:
        """Whether query t sees key s."""
        return s <= t and (not self.window or t - s < self.window) and (t - s) % self.stride == 0

    def mask(self, n: int) -> Array:
        """(T, T)"""
        return np.array([[self.sees(t, s) for s in range(n)] for t in range(n)])


@dataclass(frozen=True)
class _Spelling:
    """The right one; each field is a place where a mistake goes in."""

    scale: Callable[[int, int], float] = lambda n, d: 1 / math.sqrt(d)
    """Of T and D."""
    mask: Callable[[Look, int], Array] = Look.mask
    hidden: float = -np.inf
    """Score of a key that is not seen."""
    hides_late: bool = False
    """After the softmax."""
    axis: int = -1
    safe: bool = True
    turned: bool = False
    """Scores of k with q."""
    caps_early: bool = False
    slope_sign: float = -1.0
    mean_back: Callable[[Array, Array], Array | float] = lambda p, dp: (p * dp).sum(-1, keepdims=True)
    """Of the weights and what reaches them."""
    scale_back: bool = True
    cap_back: bool = True
    weights_move: bool = True
    dv: Callable[[Array, Array], Array] = lambda p, g: p.T @ g
    dk: Callable[[Array, Array], Array] = lambda ds, q: ds.T @ q
    swapped: bool = False
    writes: bool = False

    def __call__(self, v: Look) -> Op:
        def op(q: Array, k: Array, values: Array) -> tuple[Array, Vjp]:
            with np.errstate(all="ignore"):  # 0/0 of a mistake
                return self._attend(v, q, k, values)

        return op

    def _attend(self, v: Look, q: Array, k: Array, values: Array) -> tuple[Array, Vjp]:
        n = len(q)
        c = self.scale(*q.shape)
        if self.writes:
            q += 1.0
            q0 = q - 1.0
        else:
            q0 = q
        raw = k @ q0.T if self.turned else q0 @ k.T
        scores = self._capped(v, raw) * c if self.caps_early else self._capped(v, raw * c)  # (T, T)
        distance = np.arange(n)[:, None] - np.arange(n)
        u = scores + self.slope_sign * v.slope * distance
        p = self._weights(v, u, self.mask(v, n))
        y = p @ values

        def vjp(g: Array) -> tuple[Array, Array, Array]:
            with np.errstate(all="ignore"):
                dp = g @ values.T
                ds = p * (dp - self.mean_back(p, dp))
                if v.cap and self.cap_back:
                    ds = ds * (1 - (scores / v.cap) ** 2)
                ds = ds * (c if self.scale_back else 1.0) * float(self.weights_move)
                dq, dk = ds @ k, self.dk(ds, q0)
                return (dk, dq, self.dv(p, g)) if self.swapped else (dq, dk, self.dv(p, g))

        return y, vjp

    def _weights(self, v: Look, u: Array, seen: Array) -> Array:
        if not self.hides_late:
            u = np.where(seen, u, self.hidden)
        most = u.max(self.axis, keepdims=True) if self.safe else np.zeros((1, 1))
        if v.sink:
            most = np.maximum(most, 0.0)
        e = np.exp(u - most)
        p = e / (e.sum(self.axis, keepdims=True) + v.sink * np.exp(-most))
        return p * seen if self.hides_late else p

    @staticmethod
    def _capped(v: Look, scores: Array) -> Array:
        return v.cap * np.tanh(scores / v.cap) if v.cap else scores


_RIGHT = _Spelling()
attended = _RIGHT.__call__
"""v -> the right answer in arrays."""


def _with(**changed: Any) -> Callable[[Look], Answer]:
    spelled = replace(_RIGHT, **changed)
    return lambda v: {"attention": spelled(v)}


def _other(**changed: Any) -> Callable[[Look], Answer]:
    """The right spelling of another attention."""
    return lambda v: {"attention": attended(replace(v, **changed))}


MISTAKES = (
    Wrong(
        name="no scale",
        answer=_with(scale=lambda n, d: 1.0),
        sentence="the scores are not divided by sqrt(D): of D products each adds its spread, so long heads would look "
        "at one key alone.",
    ),
    Wrong(
        name="by D",
        answer=_with(scale=lambda n, d: 1 / d),
        sentence="the scores are divided by D, not by its root: the spread of a sum of D products grows as sqrt(D).",
    ),
    Wrong(
        name="by T",
        answer=_with(scale=lambda n, d: 1 / math.sqrt(n)),
        sentence="the scores are divided by the root of how many tokens there are: D is how many channels a query has.",
    ),
    Wrong(
        name="future",
        answer=_with(mask=lambda v, n: v.mask(n) | ~np.tri(n, dtype=bool)),
        sentence="a query looks at keys that come after it: in training it sees the answer, and in use there is none.",
    ),
    Wrong(
        name="mask turned",
        answer=_with(mask=lambda v, n: v.mask(n).T),
        sentence="the mask lies on its side: row t is the query, and it sees the columns up to t.",
    ),
    Wrong(
        name="not itself",
        answer=_with(mask=lambda v, n: v.mask(n) & ~np.eye(n, dtype=bool)),
        sentence="a query does not see its own key in yours; the first one sees nothing at all then.",
    ),
    Wrong(
        name="hidden by 0",
        answer=_with(hidden=0.0),
        sentence="keys that are not seen got the score 0, and 0 is a score like any other: exp(0) is 1. Which score "
        "has the weight 0?",
    ),
    Wrong(
        name="hidden late",
        answer=_with(hides_late=True),
        sentence="the mask came after the softmax: what is left of a row sums to less than 1, and what is missing "
        "tells of the future.",
    ),
    Wrong(
        name="columns",
        answer=_with(axis=0),
        sentence="the softmax went down the columns: the weights of one query, a row, are what sums to 1.",
    ),
    Wrong(
        name="turned scores",
        answer=_with(turned=True),
        sentence="query and key have changed places: row t holds the scores of query t with every key.",
    ),
    Wrong(
        name="overflow",
        answer=_with(safe=False),
        sentence="exp of a large score is larger than any float. What may be taken from every score of a row (lesson "
        "3)?",
        applies=lambda v: not v.cap,
    ),
    Wrong(
        name="no mean back",
        answer=_with(mean_back=lambda p, dp: 0.0),
        sentence="one weight cannot grow alone: the others shrink. The way back through a softmax takes the mean of "
        "g . v under p from each.",
    ),
    Wrong(
        name="plain mean back",
        answer=_with(mean_back=lambda p, dp: dp.mean(-1, keepdims=True)),
        sentence="y is right, and on the way back the plain mean of a row was taken out: it is the mean under p, in "
        "which a key counts as much as its weight, and a hidden one not at all.",
    ),
    Wrong(
        name="no scale back",
        answer=_with(scale_back=False),
        sentence="y is right, and dq and dk lack the factor of the scores: 1/sqrt(D) is on the way back as well. No "
        "loss curve shows this one.",
    ),
    Wrong(
        name="weights stand still",
        answer=_with(weights_move=False),
        sentence="dq and dk are 0: you treated the weights as constants, so nothing would learn where to look.",
    ),
    Wrong(
        name="dv not turned",
        answer=_with(dv=lambda p, g: p @ g),
        sentence="dv has p the wrong way round: v_s is in y_t by p[t, s], so dv_s sums over t, down the column.",
    ),
    Wrong(
        name="dk not turned",
        answer=_with(dk=lambda ds, q: ds @ q),
        sentence="dk has the scores' gradient the wrong way round: k_s is in the scores of every later query.",
    ),
    Wrong(
        name="dq and dk swapped",
        answer=_with(swapped=True),
        sentence="dq and dk are in the wrong order: the first belongs to the first input.",
    ),
    Wrong(
        name="wrote into q",
        answer=_with(writes=True),
        sentence="an input was changed: whoever reads q next reads something else. Make a new array.",
    ),
    Wrong(
        name="window of one more",
        answer=lambda v: {"attention": attended(replace(v, window=v.window + 1))},
        sentence="the window has one key too many: the query's own counts as one of them.",
        applies=lambda v: v.window > 0,
    ),
    Wrong(
        name="every key",
        answer=_other(window=0, stride=1),
        sentence="a query sees its whole past in yours; the formula lets it see a part of that.",
        applies=lambda v: v.window > 0 or v.stride > 1,
    ),
    Wrong(
        name="counted from the beginning",
        answer=_with(mask=lambda v, n: np.tri(n, dtype=bool) & (np.arange(n) % v.stride == 0)),
        sentence="the keys were counted from the beginning of the text: it is t - s that is asked, so a query counts "
        "back from itself.",
        applies=lambda v: v.stride > 1,
    ),
    Wrong(
        name="nearer is less",
        answer=_with(slope_sign=1.0),
        sentence="distance is added to the score where it should be taken away: far keys would count most.",
        applies=lambda v: v.slope > 0,
    ),
    Wrong(
        name="no distance",
        answer=_other(slope=0.0),
        sentence="distance is missing from your scores: without it a query does not know how far away a key stands.",
        applies=lambda v: v.slope > 0,
    ),
    Wrong(
        name="no cap",
        answer=_other(cap=0.0),
        sentence="the scores are not capped: look at the formula once more.",
        applies=lambda v: v.cap > 0,
    ),
    Wrong(
        name="capped early",
        answer=_with(caps_early=True),
        sentence="the cap came before the division by sqrt(D): it is the scaled score that it holds.",
        applies=lambda v: v.cap > 0,
    ),
    Wrong(
        name="cap forgotten on the way back",
        answer=_with(cap_back=False),
        sentence="y is right, and on the way back the cap is missing: the slope of c tanh(s / c) is 1 - tanh(s / c)^2.",
        applies=lambda v: v.cap > 0,
    ),
    Wrong(
        name="no sink",
        answer=_other(sink=False),
        sentence="the 1 in the denominator is missing, the key of score 0 that lets a query look at nothing.",
        applies=lambda v: v.sink,
    ),
    Wrong(
        name="plain",
        answer=_other(sink=False, slope=0.0),
        sentence="that is plain attention: your formula also takes distance from a score, and adds a 1 below.",
        applies=lambda v: v.sink and v.slope > 0,
    ),
)
