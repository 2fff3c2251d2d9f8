"""One change for each place of milestone 2, in both spellings and twice, and the same with a mistake in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....engine.scalar import functional as F
from ....engine.scalar.value import Value
from ...exercise import Answer, Wrong
from ..arrays.spelling import Array
from .places import Place, Scalar, Spelled

_EPS = 1e-5


@dataclass(frozen=True)
class Suggestion:
    """What a student may take, who has no idea of their own."""

    place: Place
    formula: str
    scalar: Scalar
    tensor: Spelled
    scalar_again: Scalar
    tensor_again: Spelled
    frozen: Spelled
    """A way back that takes what is inside for a constant."""
    unsafe: Spelled | None
    """Overflows; a norm hardly can."""
    plain: tuple[Scalar, Spelled]
    """What the project has there."""
    other: Scalar
    """Near the formula, and not it."""


# **** activation: x tanh(ln(1 + e^x))       Misra 2019, arXiv:1908.08681


def _softplus(x: Array) -> Array:
    y: Array = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return y


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    y: Array = np.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(x.dtype)
    return y


def _mish(x: Array) -> tuple[Array, Any]:
    t = np.tanh(_softplus(x))
    return x * t, lambda g: g * (t + x * (1 - t * t) * _sigmoid(x))


def _mish_again(x: Array) -> tuple[Array, Any]:
    """tanh(ln u) = (u^2 - 1) / (u^2 + 1), with u = 1 + e^x, divided by e^2x where x > 0."""
    e = np.exp(-np.abs(x))
    n = np.where(x >= 0, 1 + 2 * e, e * (e + 2)).astype(x.dtype)
    t = n / (n + 2 * np.where(x >= 0, e * e, np.ones_like(e)))
    return x * t, lambda g: (g * t + g * x * (1 - t * t) * _sigmoid(x),)


def _mish_of_values(xs: list[Value]) -> list[Value]:
    """softplus as x + softplus(-x) where x is large."""
    return [x * (_soft(x)).tanh() for x in xs]


def _soft(x: Value) -> Value:
    return x + ((x * -1.0).exp() + 1.0).log() if x.data > 0 else (x.exp() + 1.0).log()


def _mish_node(xs: list[Value]) -> list[Value]:
    """Each a node of its own."""
    ys = []
    for x in xs:
        y, vjp = _mish(np.array(x.data))
        ys.append(Value(float(y), (x,), (float(vjp(1.0)),), "mish"))
    return ys


def _mish_frozen(x: Array) -> tuple[Array, Any]:
    t = np.tanh(_softplus(x))
    return x * t, lambda g: g * t


def _mish_unsafe(x: Array) -> tuple[Array, Any]:
    with np.errstate(all="ignore"):
        e = np.exp(x)
        t = np.tanh(np.log(1 + e))
        slope = t + x * (1 - t * t) * (e / (1 + e))
    return x * t, lambda g: g * slope


def _relu2(x: Array) -> tuple[Array, Any]:
    r = np.maximum(x, 0)
    return r * r, lambda g: 2 * g * r


# **** norm: x / (mean |x| + eps)


def _mean_size(x: Array) -> tuple[Array, Any]:
    s = np.abs(x).mean(-1, keepdims=True) + x.dtype.type(_EPS)

    def vjp(g: Array) -> Array:
        dx: Array = g / s - np.sign(x) * (g * x).mean(-1, keepdims=True) / (s * s)
        return dx

    return x / s, vjp


def _mean_size_again(x: Array) -> tuple[Array, Any]:
    """Through the matrix of every row."""
    c = x.shape[-1]
    s = np.abs(x).sum(-1, keepdims=True) / c + x.dtype.type(_EPS)
    eye = np.eye(c, dtype=x.dtype)

    def vjp(g: Array) -> tuple[Array]:
        jacobian = eye / s[..., None] - x[..., :, None] * np.sign(x)[..., None, :] / (c * s[..., None] ** 2)
        return ((g[..., None, :] @ jacobian)[..., 0, :],)

    return x / s, vjp


def _mean_size_of_values(xs: list[Value]) -> list[Value]:
    s = F.mean([x.relu() + (x * -1.0).relu() for x in xs]) + _EPS
    return [x / s for x in xs]


def _mean_size_by_sum(xs: list[Value]) -> list[Value]:
    total = sum((x * (1.0 if x.data > 0 else -1.0) for x in xs), Value(0.0))
    return [x * (total * (1 / len(xs)) + _EPS) ** -1.0 for x in xs]


def _mean_size_frozen(x: Array) -> tuple[Array, Any]:
    y, _ = _mean_size(x)
    s = np.abs(x).mean(-1, keepdims=True) + _EPS
    return y, lambda g: g / s


def _rms(x: Array) -> tuple[Array, Any]:
    s = np.sqrt((x * x).mean(-1, keepdims=True) + x.dtype.type(_EPS))
    n = x / s
    return n, lambda g: (g - n * (g * n).mean(-1, keepdims=True)) / s


# **** weights: exp(s) / (1 + sum exp(s)), a sink       Miller 2023; Xiao et al. 2023, arXiv:2309.17453


def _sink(s: Array) -> tuple[Array, Any]:
    most = np.maximum(s.max(-1, keepdims=True), 0)
    e = np.exp(s - most)
    p = e / (np.exp(-most) + e.sum(-1, keepdims=True))
    return p, lambda g: p * (g - (g * p).sum(-1, keepdims=True))


def _sink_again(s: Array) -> tuple[Array, Any]:
    """A softmax over one more score, which is 0."""
    wide = np.concatenate([s, np.zeros_like(s[..., :1])], -1)
    p, vjp = _softmax(wide)
    return p[..., :-1], lambda g: (vjp(np.concatenate([g, np.zeros_like(g[..., :1])], -1))[..., :-1],)


def _sink_of_values(scores: list[Value]) -> list[Value]:
    return F.softmax([*scores, Value(0.0)])[:-1]


def _sink_by_hand(scores: list[Value]) -> list[Value]:
    most = max(0.0, *(s.data for s in scores))
    exps = [(s - most).exp() for s in scores]
    total = F.sum([*exps, Value(-most).exp()])
    return [e / total for e in exps]


def _sink_frozen(s: Array) -> tuple[Array, Any]:
    p, _ = _sink(s)
    return p, lambda g: p * g


def _sink_unsafe(s: Array) -> tuple[Array, Any]:
    with np.errstate(all="ignore"):
        e = np.exp(s)
        p = e / (1 + e.sum(-1, keepdims=True))
    return p, lambda g: p * (g - (g * p).sum(-1, keepdims=True))


def _softmax(s: Array) -> tuple[Array, Any]:
    e = np.exp(s - s.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    return p, lambda g: p * (g - (g * p).sum(-1, keepdims=True))


VARIANTS = {
    "activation": Suggestion(
        place="activation",
        formula="y = x tanh(ln(1 + e^x)), each number by itself; the project has max(x, 0)^2 there",
        scalar=_mish_of_values,
        tensor=_mish,
        scalar_again=_mish_node,
        tensor_again=_mish_again,
        frozen=_mish_frozen,
        unsafe=_mish_unsafe,
        plain=(F.relu2, _relu2),
        other=lambda xs: [x * x.tanh() for x in xs],
    ),
    "norm": Suggestion(
        place="norm",
        formula="y = x / (mean |x| + 0.00001), each row by itself; the project has the root mean square there",
        scalar=_mean_size_of_values,
        tensor=_mean_size,
        scalar_again=_mean_size_by_sum,
        tensor_again=_mean_size_again,
        frozen=_mean_size_frozen,
        unsafe=None,
        plain=(F.rms_norm, _rms),
        other=lambda xs: [x / (F.sum([z.relu() + (z * -1.0).relu() for z in xs]) + _EPS) for x in xs],
    ),
    "weights": Suggestion(
        place="weights",
        formula="p[s] = e^x[s] / (1 + sum of e^x), of the scores x of one query; the project has a softmax there",
        scalar=_sink_of_values,
        tensor=_sink,
        scalar_again=_sink_by_hand,
        tensor_again=_sink_again,
        frozen=_sink_frozen,
        unsafe=_sink_unsafe,
        plain=(F.softmax, _softmax),
        other=lambda xs: F.softmax([*xs, Value(1.0)])[:-1],
    ),
}


def answer_with(v: Suggestion, scalar: Scalar | None = None, tensor: Spelled | None = None) -> Answer:
    """A right answer but for what is given."""
    return {"scalar": scalar or v.scalar, "tensor": tensor or v.tensor}


def _with_tensor(change: Callable[[Spelled], Spelled]) -> Callable[[Suggestion], Answer]:
    return lambda v: answer_with(v, tensor=change(v.tensor))


def _doubled(op: Spelled) -> Spelled:
    """float64, whatever came in."""
    return lambda x: op(x.astype(np.float64))


def _overwrites(op: Spelled) -> Spelled:
    def wrong(x: Array) -> tuple[Array, Any]:
        y, vjp = op(x.copy())
        x[...] = y
        return y, vjp

    return wrong


def _without_g(op: Spelled) -> Spelled:
    def wrong(x: Array) -> tuple[Array, Any]:
        y, vjp = op(x)
        return y, lambda g: vjp(np.ones_like(g))

    return wrong


def _cut(scalar: Scalar) -> Scalar:
    return lambda xs: [Value(y.data) for y in scalar(xs)]


MISTAKES = (
    Wrong(
        name="two functions",
        answer=lambda v: answer_with(v, scalar=v.other),
        sentence="both spellings have right slopes, and they are two functions: put the same number into each and "
        "compare them line by line.",
    ),
    Wrong(
        name="graph cut",
        answer=lambda v: answer_with(v, scalar=_cut(v.scalar)),
        sentence="no slope comes back in Values: somewhere a Value became a plain number, and a new Value of it.",
    ),
    Wrong(
        name="inside is a constant",
        answer=lambda v: answer_with(v, tensor=v.frozen),
        sentence="vjp takes what is inside for a constant: x moves that, too, so a term is missing.",
    ),
    Wrong(
        name="g left out",
        answer=_with_tensor(_without_g),
        sentence="g is not in your vjp: that is the slope of the sum of y. What comes from above multiplies.",
    ),
    Wrong(
        name="overflow",
        answer=lambda v: answer_with(v, tensor=v.unsafe),
        sentence="numbers of size 1000 are too large for an exp in the array spelling: find a form without large ones.",
        applies=lambda v: v.unsafe is not None,
    ),
    Wrong(
        name="no change",
        answer=lambda v: answer_with(v, *v.plain),
        sentence="that is what the project has in this place already: there would be nothing to compare.",
    ),
    Wrong(
        name="double",
        answer=_with_tensor(_doubled),
        sentence="float32 became float64: a whole model then takes twice the time and the memory.",
    ),
    Wrong(
        name="wrote into x",
        answer=_with_tensor(_overwrites),
        sentence="x was changed: the stream that it is a part of is read by others. Make a new array.",
    ),
)
