"""Exercise 1b: an operation with two parents."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from ....engine.scalar.value import Value
from ...exercise import Answer, Broken, Exercise, Law, Observation, Wrong
from ...judging import digits
from ..nodes import NO_TUPLE, PLAIN_PARENT, VALUE_INSIDE, flaw, misbuilt

_NUDGE = 1e-5
_CLOSE = 1e-6
_ONE = "one node with the parents a and b"


@dataclass(frozen=True)
class _Surface:
    """A function of two numbers."""

    formula: str
    f: Callable[[float, float], float]
    slopes: Callable[[float, float], tuple[float, float]]


def _logaddexp(a: float, b: float) -> float:
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


def _shares(a: float, b: float) -> tuple[float, float]:
    first = 0.5 * (1 + math.tanh(0.5 * (a - b)))
    return first, 1 - first


SURFACES = {
    "hypot": _Surface("sqrt(a^2 + b^2)", math.hypot, lambda a, b: (a / math.hypot(a, b), b / math.hypot(a, b))),
    "atan2": _Surface(
        "the angle of the point (b, a), which Python has as math.atan2(a, b)",
        math.atan2,
        lambda a, b: (b / (a * a + b * b), -a / (a * a + b * b)),
    ),
    "logaddexp": _Surface("log(exp(a) + exp(b))", _logaddexp, _shares),
    "harmonic": _Surface(
        "a b / (a + b)", lambda a, b: a * b / (a + b), lambda a, b: ((b / (a + b)) ** 2, (a / (a + b)) ** 2)
    ),
}


def _starter(v: _Surface) -> str:
    return f'''"""Exercise 1b: an operation with two parents.

    join(a, b) = {v.formula}

One node, two parents, a local derivative for each of them in the same order.
Check it with:  nanochat learn check 1b
"""

import math

from nanochat.engine import Value


def join(a, b):
    ...
'''


def _cases(rng: random.Random, v: _Surface) -> list[tuple[float, float]]:
    return [(3.0, 4.0), (1.0, 2.0), *((rng.uniform(0.2, 3.0), rng.uniform(0.2, 3.0)) for _ in range(28))]


def _value(answer: Answer, case: tuple[float, float], v: _Surface) -> Broken | None:
    y = answer["join"](*map(Value, case))
    if got := flaw(y):
        return _broken(case, f"a Value of {digits(v.f(*case))}, made from a and b", got)
    is_right = math.isclose(y.data, v.f(*case), rel_tol=1e-9)
    return None if is_right else _broken(case, digits(v.f(*case)), digits(y.data))


def _parents(answer: Answer, case: tuple[float, float], v: _Surface) -> Broken | None:
    a, b = map(Value, case)
    y = answer["join"](a, b)
    if tuple(y.parents) == (a, b) and len(y.local_grads) == 2:
        return None
    return _broken(case, _ONE, _made(y, a, b))


def _slopes(answer: Answer, case: tuple[float, float], v: _Surface) -> Broken | None:
    join = answer["join"]
    a, b = map(Value, case)
    join(a, b).backward()
    measured = [
        (join(*map(Value, up)).data - join(*map(Value, down)).data) / (2 * _NUDGE) for up, down in _nudged(*case)
    ]
    if all(abs(got - slope) < _CLOSE for got, slope in zip((a.grad, b.grad), measured, strict=True)):
        return None
    return _broken(case, "slopes {} and {}".format(*map(digits, measured)), f"{digits(a.grad)} and {digits(b.grad)}")


def _twice(answer: Answer, case: tuple[float, float], v: _Surface) -> Broken | None:
    x = case[0]
    leaf = Value(x)
    answer["join"](leaf, leaf).backward()
    expected = math.fsum(v.slopes(x, x))
    if math.isclose(leaf.grad, expected, rel_tol=1e-9, abs_tol=1e-9):
        return None
    return Broken(call=f"join(a, a), a = {digits(x)}", expected=f"slope {digits(expected)}", got=digits(leaf.grad))


def _nudged(a: float, b: float) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    h = _NUDGE
    return [((a + h, b), (a - h, b)), ((a, b + h), (a, b - h))]


def _broken(case: tuple[float, float], expected: str, got: str) -> Broken:
    return Broken(call="join({}, {})".format(*map(digits, case)), expected=expected, got=got)


def _observe(answer: Answer, case: tuple[float, float], v: _Surface) -> Observation:
    a, b = map(Value, case)
    y = answer["join"](a, b)
    if got := flaw(y):
        return {"made of": got}
    y.backward()
    return {"value": y.data, "slope for a": a.grad, "slope for b": b.grad, "made of": _made(y, a, b)}


def _made(y: Value, a: Value, b: Value) -> str:
    if not set(y.parents) <= {a, b}:
        return "several nodes"
    names = "".join("a" if parent is a else "b" for parent in y.parents)
    if names != "ab":
        return f"one node with the parents {' and '.join(names)}" if names else "a node without parents"
    return _ONE if len(y.local_grads) == 2 else f"{_ONE}, and {len(y.local_grads)} slopes"


def _node(v: _Surface, slopes: Callable[[float, float], tuple[float, float]]) -> Answer:
    return {"join": lambda a, b: Value(v.f(a.data, b.data), (a, b), slopes(a.data, b.data), "join")}


def _written(v: _Surface) -> Answer:
    def join(a: Value, b: Value) -> Value:
        node = Value(v.f(float(a), float(b)))
        node.parents, node.local_grads = [a, b], list(v.slopes(float(a), float(b)))
        return node

    return {"join": join}


EXERCISE = Exercise(
    title="an operation with two parents",
    file="join.py",
    asks=("join",),
    starter=_starter,
    variants=SURFACES,
    cases=_cases,
    call=lambda case: "join({}, {})".format(*map(digits, case)),
    laws=(
        Law(name="value", sentence="the value is the formula's", holds=_value, points=2),
        Law(name="parents", sentence="it is one node with two parents", holds=_parents, needs=("value",)),
        Law(name="slopes", sentence="both slopes are what nudging measures", holds=_slopes, points=3, needs=("value",)),
        Law(name="twice", sentence="join(a, a) moves by both of them", holds=_twice, points=2, needs=("slopes",)),
    ),
    observe=_observe,
    right=(lambda v: _node(v, v.slopes), _written),
    wrong=(
        Wrong(
            name="swapped",
            answer=lambda v: _node(v, lambda a, b: v.slopes(a, b)[::-1]),
            sentence="both slopes are there, in the wrong order: the first belongs to the first parent.",
        ),
        Wrong(
            name="one parent",
            answer=lambda v: {"join": lambda a, b: Value(v.f(a.data, b.data), (a,), v.slopes(a.data, b.data)[:1])},
            sentence="b is no parent, so it is taken for a number that stands still: nothing comes back to it.",
        ),
        Wrong(
            name="sign",
            answer=lambda v: _node(v, lambda a, b: (v.slopes(a, b)[0], -v.slopes(a, b)[1])),
            sentence="the slope for a is right, and that for b has the wrong sign: where does the value go as b grows?",
        ),
        Wrong(
            name="several nodes",
            answer=lambda v: {"join": lambda a, b: _node(v, v.slopes)["join"](a, b) * 1.0},
            sentence="it took several nodes. One is asked: one value, two parents, and two slopes that you found.",
        ),
        Wrong(
            name="no tuple",
            answer=lambda v: {"join": lambda a, b: misbuilt(v.f(a.data, b.data), a, v.slopes(a.data, b.data))},
            sentence=NO_TUPLE,
        ),
        Wrong(
            name="written over",
            answer=lambda v: {"join": lambda a, b: misbuilt(v.f(a.data, b.data), (a.data, b.data), (1.0, 1.0))},
            sentence=PLAIN_PARENT,
        ),
        Wrong(
            name="a Value inside",
            answer=lambda v: {"join": lambda a, b: misbuilt(Value(v.f(a.data, b.data)), (a, b), (1.0, 1.0))},
            sentence=VALUE_INSIDE,
        ),
        Wrong(
            name="both the same",
            answer=lambda v: _node(v, lambda a, b: (v.slopes(a, b)[0],) * 2),
            sentence="a and b have the same slope here. They move the value differently: hold one still and see.",
        ),
    ),
    hints=(
        "Two questions, one at a time: b stands still and a moves; then the other way round.",
        'Value(value, (a, b), (slope for a, slope for b), "join"): the orders must agree.',
        "join(a, a) needs no extra line: what does `backward` do where two arrows lead to one node?",
    ),
    project="nanochat.engine.scalar.value:Value.__truediv__",
    allowed=("nanochat.engine.Value", "nanochat.engine.scalar.value.Value"),
)
