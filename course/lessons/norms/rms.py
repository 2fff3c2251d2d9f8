"""Exercise 6a: a norm without a centre, and its vector-Jacobian product."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product as every

import numpy as np

from ...exercise import Answer, Broken, Exercise, Law, Observation, law
from ...judging import digits
from ..arrays.spelling import Array, Vjp, first_difference, measured, not_a_pair, seen, words, wrong_shapes
from .mistakes import MISTAKES, Kind, Norm, norm

_EPS = 1e-5


@dataclass(frozen=True)
class Rows:
    """What norm is tried on: rows, a gain for each channel, and what comes back from above."""

    x: Array
    weight: Array
    g: Array
    eps: float
    size: float
    """Of the numbers in x."""

    def __str__(self) -> str:
        return f"norm({words(self.x)}, {words(self.weight)}, eps={self.eps:g})"


_KINDS: dict[str, Kind] = {"mean": "mean", "sum": "sum", "pairs": "pairs", "first half": "half"}
VARIANTS = {
    f"{name}, {said}": Norm(kind, one_more)
    for name, kind in _KINDS.items()
    for said, one_more in (("gain", False), ("gain above 1", True))
}


def _starter(v: Norm) -> str:
    return f'''"""Exercise 6a: a norm, and its way back.

    s = sqrt({v.square} + eps)
    y = x / s * {v.gain_words},        each row by itself

norm returns (y, vjp). vjp takes g = dL/dy, an array of y's shape, and returns dL/dx and dL/dweight.
Check it with:  nanochat learn check 6a
"""

import numpy as np


def norm(x, weight, *, eps):
    """x (N, C), weight (C,) -> y (N, C), and vjp(g) -> (dx (N, C), dweight (C,))"""
    ...
'''


def _cases(rng: random.Random, v: Norm) -> list[Rows]:
    """rms of (1, 7) is 5: by hand. Then rows of every size, since eps counts among small ones alone."""
    by_hand = Rows(np.array([[1.0, 7.0]]), np.full(2, 0.0 if v.one_more else 1.0), np.array([[1.0, 0.0]]), 0.0, 1.0)
    sizes = ((2, 4, 1.0), (3, 4, 1e-3), (2, 6, 1e3))
    return [by_hand, *(_drawn(rng, n, c, size) for n, c, size in sizes)]


def _drawn(rng: random.Random, n: int, c: int, size: float) -> Rows:
    numbers = [round(rng.choice((-1, 1)) * rng.uniform(0.3, 3), 2) for _ in range(2 * n * c + c)]
    x, g, weight = np.split(np.array(numbers), (n * c, 2 * n * c))
    return Rows(x.reshape(n, c) * size, weight, g.reshape(n, c), _EPS, size)


def _silent(rng: random.Random, v: Norm) -> list[Rows]:
    return [Rows(np.zeros((1, 2)), np.ones(2), np.ones((1, 2)), _EPS, 1.0)]


# **** laws


def _run(answer: Answer, case: Rows) -> tuple[Array, Vjp]:
    y, vjp = answer["norm"](case.x.copy(), case.weight.copy(), eps=case.eps)
    return y, vjp


def _pair(answer: Answer, case: Rows, v: Norm) -> Broken | None:
    problem = not_a_pair(answer["norm"](case.x.copy(), case.weight.copy(), eps=case.eps))
    return Broken(call=str(case), expected="an array and a function: (y, vjp)", got=problem) if problem else None


def _value(answer: Answer, case: Rows, v: Norm) -> Broken | None:
    y, expected = _run(answer, case)[0], _looped(v)(case.x, case.weight, eps=case.eps)[0]
    if y.shape != expected.shape:
        return Broken(call=str(case), expected=f"y of shape {expected.shape}", got=f"shape {y.shape}")
    return first_difference(y, expected, "y", str(case), close=1e-9)


def _scale(answer: Answer, case: Rows, v: Norm) -> Broken | None:
    before, after = (answer["norm"](case.x * factor, case.weight.copy(), eps=0.0)[0] for factor in (1.0, 3.0))
    return first_difference(after, before, "y", f"{case}, every x three times as large, eps=0", close=1e-9)


def _shape(answer: Answer, case: Rows, v: Norm) -> Broken | None:
    got = _run(answer, case)[1](case.g.copy())
    return wrong_shapes(("dx", "dweight"), got, (case.x, case.weight), f"{case}, vjp({words(case.g)})")


def _slopes(answer: Answer, case: Rows, v: Norm) -> Broken | None:
    """Nudges as small beside the numbers as 1e-5 is beside 1."""
    got, call = _run(answer, case)[1](case.g.copy()), f"{case}, vjp({words(case.g)})"
    for i, size in ((0, case.size), (1, 1.0)):
        scaled = (case.x / case.size, case.weight)
        op = lambda x, weight: answer["norm"](x * case.size, weight, eps=case.eps)[0]  # noqa: E731
        expected = measured(op, scaled, case.g, i) / size
        close = 1e-6 * max(1e-3, float(np.abs(expected).max()))
        name, why = ("dx", "dweight")[i], ", as nudging measures"
        broken = first_difference(got[i], expected, name, call, close=close, why=why)
        if broken:
            return broken
    return None


def _right_angle(answer: Answer, case: Rows, v: Norm) -> Broken | None:
    """With eps = 0 the length of a row does not count, so walking along the row changes nothing."""
    dx = answer["norm"](case.x.copy(), case.weight.copy(), eps=0.0)[1](case.g.copy())[0]
    for row, slopes in zip(case.x, dx, strict=True):
        along, most = float(row @ slopes), float(np.abs(row * slopes).max())
        if abs(along) > 1e-9 * max(most, 1e-12):
            call = f"x . dx of the row {words(row)}, eps=0"
            return Broken(call=call, expected="0: the gradient is at right angles to x", got=digits(along))
    return None


def _zero(answer: Answer, case: Rows, v: Norm) -> Broken | None:
    y, vjp = _run(answer, case)
    found = [y, *vjp(case.g.copy())]
    if all(np.isfinite(one).all() for one in found) and not y.any():
        return None
    return Broken(call=str(case), expected="y = 0, and gradients that are numbers", got=f"y = {words(y)}")


def _observe(answer: Answer, case: Rows, v: Norm) -> Observation:
    y, vjp = _run(answer, case)
    dx, dweight = vjp(case.g.copy())
    return seen(
        {"y": y, "dx": dx, "dweight": dweight}, {"y": case.x.shape, "dx": case.x.shape, "dweight": case.weight.shape}
    )


# **** right answers


def _looped(v: Norm) -> Callable[..., tuple[Array, Vjp]]:
    """Number by number."""

    def op(x: Array, weight: Array, *, eps: float) -> tuple[Array, Vjp]:
        n_rows, c = x.shape
        gain = [v.gain(float(w)) for w in weight]
        rooms = [v.rooms(i, c) for i in range(c)]
        s = [[_size(v, row, room, eps) for room in rooms] for row in x.tolist()]
        y = np.array([[x[t, i] / s[t][i] * gain[i] for i in range(c)] for t in range(n_rows)])

        def vjp(g: Array) -> tuple[Array, Array]:
            dx, dweight = np.zeros_like(x), np.zeros_like(weight)
            for t, i in every(range(n_rows), range(c)):
                dweight[i] += g[t, i] * x[t, i] / s[t][i]
                dx[t, i] += g[t, i] * gain[i] / s[t][i]
                for j in rooms[i]:  # x_j moves s, and s moves y_i
                    dx[t, j] -= g[t, i] * gain[i] * x[t, i] * v.share(c) * x[t, j] / s[t][i] ** 3
            return dx, dweight

        return y, vjp

    return op


def _size(v: Norm, row: Sequence[float], room: Sequence[int], eps: float) -> float:
    return math.sqrt(v.share(len(row)) * math.fsum(row[j] * row[j] for j in room) + eps)


EXERCISE = Exercise(
    title="a norm and its way back",
    file="rms.py",
    asks=("norm",),
    starter=_starter,
    variants=VARIANTS,
    cases=_cases,
    call=str,
    laws=(
        law("pair", "an array and a function come back", _pair, 1),
        law("value", "y is the formula, whatever the size of x", _value, 2, "pair"),
        law("scale", "three times as large an x has the same y (eps = 0)", _scale, 1, "pair"),
        law("shape", "a gradient has the shape of its input", _shape, 1, "pair"),
        law("slopes", "the gradients are what nudging measures, for rows of any size", _slopes, 4, "value", "shape"),
        law("angle", "dx is at right angles to x (eps = 0)", _right_angle, 2, "shape"),
        Law(
            name="zero",
            sentence="a row of zeros stays one, and has gradients",
            holds=_zero,
            needs=("pair",),
            cases=_silent,
        ),
    ),
    observe=_observe,
    right=(lambda v: {"norm": norm(v)}, lambda v: {"norm": _looped(v)}),
    wrong=MISTAKES,
    hints=(
        "Let n = x / s. Then dweight is the sum over rows of g n, and what reaches n is g times the gain.",
        "x_j moves y_j directly, through 1 / s, and every y_i through s: two terms.",
        "ds/dx_j is x_j / s times the share of x_j^2 in s^2. Collect sum(g gain n) first: it is one number a row.",
    ),
    project="nanochat.engine.tensor.ops.norms:rms_norm",
    allowed=("numpy",),
)
