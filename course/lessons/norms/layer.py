"""Exercise 6b: LayerNorm, whose gradient is at right angles to two directions."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...exercise import Answer, Broken, Exercise, Law, Observation, Wrong
from ...judging import digits
from ..arrays.spelling import Array, Op, Vjp, first_difference, measured, not_a_pair, seen, words, wrong_shapes

_EPS = 1e-5


@dataclass(frozen=True)
class Rows:
    """What layer_norm is tried on."""

    x: Array
    weight: Array
    bias: Array
    g: Array
    eps: float

    def __str__(self) -> str:
        return f"layer_norm({words(self.x)}, {words(self.weight)}, {words(self.bias)}, eps={self.eps:g})"

    @property
    def inputs(self) -> tuple[Array, Array, Array]:
        """Copies, to be given away."""
        return self.x.copy(), self.weight.copy(), self.bias.copy()


def _starter(v: float) -> str:
    gain = f"({v:g} + weight)" if v else "weight"
    return f'''"""Exercise 6b: LayerNorm.

    n = (x - mean) / sqrt(variance + eps),   y = n * {gain} + bias,   each row by itself
    variance = mean((x - mean)^2)

Check it with:  nanochat learn check 6b
"""

import numpy as np


def layer_norm(x, weight, bias, *, eps):
    """x (N, C), weight and bias (C,) -> y (N, C), and vjp(g) -> (dx, dweight, dbias)"""
    ...
'''


def _cases(rng: random.Random, v: float) -> list[Rows]:
    one, zero = np.full(4, 1.0 - v), np.zeros(4)
    by_hand = Rows(np.array([[1.0, 1, 3, 3]]), one, zero, np.array([[4.0, 0, 0, 0]]), 0.0)
    cases = [by_hand]
    for n, c in ((2, 3), (3, 5)):
        parts = [np.array([round(rng.uniform(-3, 3), 1) for _ in range(k)]) for k in (n * c, c, c, n * c)]
        parts[0] += np.arange(n * c) * 0.37  # no row of equal numbers
        cases.append(Rows(parts[0].reshape(n, c), parts[1], parts[2], parts[3].reshape(n, c), _EPS))
    return cases


def _pair(answer: Answer, case: Rows, v: float) -> Broken | None:
    problem = not_a_pair(answer["layer_norm"](*case.inputs, eps=case.eps))
    return Broken(call=str(case), expected="an array and a function: (y, vjp)", got=problem) if problem else None


def _value(answer: Answer, case: Rows, v: float) -> Broken | None:
    y, expected = (op["layer_norm"](*case.inputs, eps=case.eps)[0] for op in (answer, {"layer_norm": _RIGHT(v)}))
    if y.shape != expected.shape:
        return Broken(call=str(case), expected=f"y of shape {expected.shape}", got=f"shape {y.shape}")
    return first_difference(y, expected, "y", str(case), close=1e-9)


def _slopes(answer: Answer, case: Rows, v: float) -> Broken | None:
    call, names = f"{case}, vjp({words(case.g)})", ("dx", "dweight", "dbias")
    got = answer["layer_norm"](*case.inputs, eps=case.eps)[1](case.g.copy())
    broken = wrong_shapes(names, got, case.inputs, call)
    for i, name in enumerate(names):
        op = lambda *inputs: answer["layer_norm"](*inputs, eps=case.eps)[0]  # noqa: E731
        expected = measured(op, case.inputs, case.g, i) if broken is None else None
        if expected is not None:
            close = 1e-6 * max(1.0, float(np.abs(expected).max()))
            broken = first_difference(got[i], expected, name, call, close=close, why=", as nudging measures")
    return broken


def _two_angles(answer: Answer, case: Rows, v: float) -> Broken | None:
    dx = answer["layer_norm"](*case.inputs, eps=0.0)[1](case.g.copy())[0]
    for row, slopes in zip(case.x, dx, strict=True):
        for along, what in (
            (float(slopes.sum()), "dx summed"),
            (float(slopes @ (row - row.mean())), "dx . (x - mean)"),
        ):
            if abs(along) > 1e-8 * max(1.0, float(np.abs(slopes).max())):
                said = "0: adding the same to every x, and stretching them, change nothing"
                return Broken(call=f"{what}, row {words(row)}, eps=0", expected=said, got=digits(along))
    return None


def _observe(answer: Answer, case: Rows, v: float) -> Observation:
    y, vjp = answer["layer_norm"](*case.inputs, eps=case.eps)
    dx, dweight, dbias = vjp(case.g.copy())
    c = case.weight.shape
    found = {"y": y, "dx": dx, "dweight": dweight, "dbias": dbias}
    return seen(found, {"y": case.x.shape, "dx": case.x.shape, "dweight": c, "dbias": c})


@dataclass(frozen=True)
class _Spelling:
    """The right one; each field is a place where a mistake goes in."""

    mean_term: float = 1.0
    spread_term: float = 1.0
    ddof: int = 0
    bias_back: Callable[[Array], Array] = lambda g: g.sum(0)

    def __call__(self, v: float) -> Op:
        def op(x: Array, weight: Array, bias: Array, *, eps: float) -> tuple[Array, Vjp]:
            rstd = 1 / np.sqrt(x.var(-1, keepdims=True, ddof=self.ddof) + eps)
            n = (x - x.mean(-1, keepdims=True)) * rstd

            def vjp(g: Array) -> tuple[Array, Array, Array]:
                inner = g * (v + weight)
                along = n * (inner * n).mean(-1, keepdims=True)
                dx = (inner - self.mean_term * inner.mean(-1, keepdims=True) - self.spread_term * along) * rstd
                return dx, (g * n).sum(0), self.bias_back(g)

            return n * (v + weight) + bias, vjp

        return op


def _by_jacobian(v: float) -> Op:
    """The same through the matrix dn/dx of each row."""

    def op(x: Array, weight: Array, bias: Array, *, eps: float) -> tuple[Array, Vjp]:
        c = x.shape[-1]
        centred = x @ (np.eye(c) - 1 / c)
        s = np.sqrt((centred**2).mean(-1) + eps)
        n = centred / s[:, None]

        def vjp(g: Array) -> tuple[Array, Array, Array]:
            rows = []
            for k in range(len(x)):
                jacobian = (np.eye(c) - 1 / c - np.outer(n[k], n[k]) / c) / s[k]
                rows.append((g[k] * (v + weight)) @ jacobian)
            return np.array(rows), np.einsum("nc,nc->c", g, n), np.ones(len(x)) @ g

        return n * (v + weight) + bias, vjp

    return op


_RIGHT = _Spelling()


def _with(**changed: object) -> Callable[[float], Answer]:
    spelled = replace(_RIGHT, **changed)  # type: ignore[arg-type]
    return lambda v: {"layer_norm": spelled(v)}


EXERCISE = Exercise(
    title="LayerNorm",
    file="layer.py",
    asks=("layer_norm",),
    starter=_starter,
    variants={"gain": 0.0, "gain above 1": 1.0},
    cases=_cases,
    call=str,
    laws=(
        Law(name="pair", sentence="an array and a function come back", holds=_pair),
        Law(name="value", sentence="y is the formula", holds=_value, needs=("pair",)),
        Law(
            name="slopes", sentence="the gradients are what nudging measures", holds=_slopes, points=3, needs=("value",)
        ),
        Law(
            name="angles",
            sentence="dx sums to 0, and is at right angles to x - mean (eps = 0)",
            holds=_two_angles,
            points=2,
            needs=("value",),
        ),
    ),
    observe=_observe,
    right=(lambda v: {"layer_norm": _RIGHT(v)}, lambda v: {"layer_norm": _by_jacobian(v)}),
    wrong=(
        Wrong(
            name="mean is a constant",
            answer=_with(mean_term=0.0),
            sentence="you treated the mean as a constant: but x moves it, too, so dx has to sum to 0.",
        ),
        Wrong(
            name="spread is a constant",
            answer=_with(spread_term=0.0),
            sentence="you treated the spread as a constant: but x moves it, too, so dx . (x - mean) has to be 0.",
        ),
        Wrong(
            name="both are constants",
            answer=_with(mean_term=0.0, spread_term=0.0),
            sentence="mean and spread stand still in your way back; x moves both: two terms are missing.",
        ),
        Wrong(
            name="n - 1",
            answer=_with(ddof=1),
            sentence="the variance is divided by C - 1: that estimates a spread from a sample. A norm takes the mean.",
        ),
        Wrong(
            name="bias averaged",
            answer=_with(bias_back=lambda g: g.mean(0)),
            sentence="the bias is added in every row, and slopes over several paths add: a sum over rows, no mean.",
        ),
    ),
    hints=(
        "dbias and dweight first: they are sums over the rows. Then what reaches n is g times the gain.",
        "x moves n directly, through the mean, and through the spread: three terms.",
        "Check yourself: which two directions of x change nothing? dx has to be at right angles to both.",
    ),
    project="nanochat.engine.tensor.ops.norms:layer_norm",
    allowed=("numpy",),
)
