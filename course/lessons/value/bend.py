"""Exercise 1a: a smooth curve as one operation on a Value, with its slope beside its value."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from ....engine.scalar.value import Value
from ...exercise import Answer, Broken, Exercise, Law, Observation, Wrong
from ...judging import digits
from ..nodes import NO_TUPLE, PLAIN_PARENT, VALUE_INSIDE, flaw, misbuilt
from .curves import CURVES, Curve

_NUDGE = 1e-5
_CLOSE = 1e-6
"""A central difference of these curves errs by 1e-9; a slope that is a forward difference errs by 1e-4."""


def _starter(v: Curve) -> str:
    return f'''"""Exercise 1a: a smooth bend as an operation of your own.

    bend(x) = {v.formula}

One node, made from one parent, with its local derivative beside its value. Find the derivative on paper first.
Check it with:  nanochat learn check 1a
"""

import math

from nanochat.engine import Value


def bend(x):
    value = ...  # the formula, from the number x.data
    slope = ...  # d value / d x, from the same number
    return Value(value, (x,), (slope,), "bend")
'''


def _cases(rng: random.Random, v: Curve) -> list[float]:
    return [0.0, 1.0, -1.0, 2.0, *sorted((rng.uniform(-5.0, 5.0) for _ in range(96)), key=abs)]


def _large(rng: random.Random, v: Curve) -> list[float]:
    return [1000.0, -1000.0]


# **** laws


def _is_number(answer: Answer, x: float, v: Curve) -> Broken | None:
    got = flaw(answer["bend"](Value(x)))
    return _broken(x, f"a Value of {digits(v.f(x))}, made from x", got) if got else None


def _value(answer: Answer, x: float, v: Curve) -> Broken | None:
    y, expected = answer["bend"](Value(x)), v.f(x)
    is_right = math.isclose(y.data, expected, rel_tol=1e-9, abs_tol=1e-12)
    return None if is_right else _broken(x, digits(expected), digits(y.data))


def _one_node(answer: Answer, x: float, v: Curve) -> Broken | None:
    leaf = Value(x)
    y = answer["bend"](leaf)
    if tuple(y.parents) == (leaf,) and len(y.local_grads) == 1:
        return None
    return _broken(x, "one node whose parent is x", _made(y, leaf))


def _slope(answer: Answer, x: float, v: Curve) -> Broken | None:
    bend = answer["bend"]
    leaf = Value(x)
    bend(leaf).backward()
    measured = (bend(Value(x + _NUDGE)).data - bend(Value(x - _NUDGE)).data) / (2 * _NUDGE)
    is_right = abs(leaf.grad - measured) < _CLOSE
    return None if is_right else _broken(x, f"slope {digits(measured)}, as nudging measures", digits(leaf.grad))


def _chain(answer: Answer, x: float, v: Curve) -> Broken | None:
    bend = answer["bend"]
    leaf = Value(x)
    bend(bend(leaf)).backward()
    ends = [bend(bend(Value(x + h))).data for h in (_NUDGE, -_NUDGE)]
    measured = (ends[0] - ends[1]) / (2 * _NUDGE)
    if abs(leaf.grad - measured) < _CLOSE:
        return None
    return Broken(call=f"bend(bend({digits(x)}))", expected=f"slope {digits(measured)}", got=digits(leaf.grad))


def _survives(answer: Answer, x: float, v: Curve) -> Broken | None:
    leaf = Value(x)
    y = answer["bend"](leaf)
    y.backward()
    got, expected = (y.data, leaf.grad), (v.f(x), v.slope(x))
    if all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(got, expected, strict=True)):
        return None
    return _broken(x, *("{} with slope {}".format(*map(digits, pair)) for pair in (expected, got)))


def _broken(x: float, expected: str, got: str) -> Broken:
    return Broken(call=f"bend({digits(x)})", expected=expected, got=got)


def _made(y: Value, leaf: Value) -> str:
    if not y.parents:
        return "a node without a parent"
    if leaf not in y.ancestors():
        return "a graph that does not reach x"
    return "one node whose parent is x" if tuple(y.parents) == (leaf,) else "several nodes"


def _observe(answer: Answer, x: float, v: Curve) -> Observation:
    leaf = Value(x)
    y: Any = answer["bend"](leaf)
    if got := flaw(y):
        return {"made of": got}
    y.backward()
    return {"value": y.data, "slope": leaf.grad, "made of": _made(y, leaf)}


# **** right and wrong


def _node(f: Callable[[float], float], slope: Callable[[float], float]) -> Answer:
    return {"bend": lambda x: Value(f(x.data), (x,), (slope(x.data),), "bend")}


def _with_slope(slope: Callable[[Curve, float], float]) -> Callable[[Curve], Answer]:
    return lambda v: _node(v.f, lambda x: slope(v, x))


def _overflowing(sign: Callable[[float], float]) -> Callable[[Curve], Answer]:
    """math.exp of a number that is too large raises; where that happens depends on the sign in the formula."""

    def answer(v: Curve) -> Answer:
        return _node(lambda x: (math.exp(sign(x)), v.f(x))[1], v.slope)

    return answer


_OVERFLOW = (
    "exp(1000) is larger than any float, and math.exp says so by an error. The curve itself is tame there: "
    "which form of the formula has no large number in it? (Treat the two signs of x apart.)"
)
WRONG = (
    Wrong(
        name="a corner",
        answer=_with_slope(lambda v, x: float(x > 0)),
        sentence="that is relu's slope, 0 or 1 with a corner between. This curve has none: nudge it at x = 0 and look.",
    ),
    Wrong(
        name="slope 1",
        answer=_with_slope(lambda v, x: 1.0),
        sentence="your slope is 1 everywhere, which is a straight line; how fast does this curve move at x = 2?",
    ),
    Wrong(
        name="sign",
        answer=_with_slope(lambda v, x: -v.slope(x)),
        sentence="the size of the slope is right and its sign is not: where the curve climbs, the slope is positive.",
    ),
    Wrong(
        name="value as slope",
        answer=_with_slope(lambda v, x: v.f(x)),
        sentence="your slope is the value itself. That is so for exp, and for no other curve.",
    ),
    Wrong(
        name="slope at y",
        answer=_with_slope(lambda v, x: v.slope(v.f(x))),
        sentence="you took the slope at the result y. The question is how fast y moves with x: take it at x.",
    ),
    Wrong(
        name="times x",
        answer=_with_slope(lambda v, x: v.slope(x) * x),
        sentence="the slope is multiplied by x once too often: along a path `backward` multiplies, not the node.",
    ),
    Wrong(
        name="a nudge",
        answer=_with_slope(lambda v, x: (v.f(x + 1e-3) - v.f(x)) / 1e-3),
        sentence="your slope is itself a nudge, to one side: near, and not the derivative. Find the formula on paper.",
    ),
    Wrong(
        name="no parent",
        answer=lambda v: {"bend": lambda x: Value(v.f(x.data))},
        sentence="the graph does not reach x: a Value without parents is a number that was given: no slope comes back.",
    ),
    Wrong(
        name="a plain number",
        answer=lambda v: {"bend": lambda x: v.f(x.data)},
        sentence="a plain number came back. The functions of math (math.exp and its kind) make one even of a Value, "
        "and a plain number remembers nothing.",
    ),
    Wrong(
        name="no comma",
        answer=lambda v: {"bend": lambda x: misbuilt(v.f(x.data), x, v.slope(x.data))},
        sentence=NO_TUPLE,
    ),
    Wrong(
        name="x written over",
        answer=lambda v: {"bend": lambda x: misbuilt(v.f(x.data), (x.data,), (v.slope(x.data),))},
        sentence=PLAIN_PARENT,
    ),
    Wrong(
        name="a Value inside",
        answer=lambda v: {"bend": lambda x: misbuilt(Value(v.f(x.data)), (x,), (v.slope(x.data),))},
        sentence=VALUE_INSIDE,
    ),
    Wrong(
        name="a Value as slope",
        answer=lambda v: {"bend": lambda x: misbuilt(v.f(x.data), (x,), (Value(v.slope(x.data)),))},
        sentence=VALUE_INSIDE,
    ),
    Wrong(
        name="composed",
        answer=lambda v: {"bend": lambda x: Value(v.f(x.data), (x,), (v.slope(x.data),)) * 1.0},
        sentence="the numbers are right, and they took several nodes. One is asked: one value, one slope, one parent.",
    ),
    Wrong(name="overflow above", answer=_overflowing(lambda x: x), sentence=_OVERFLOW),
    Wrong(name="overflow below", answer=_overflowing(lambda x: -x), sentence=_OVERFLOW),
    Wrong(name="overflow", answer=_overflowing(abs), sentence=_OVERFLOW),
)

EXERCISE = Exercise(
    title="an operation of your own",
    file="bend.py",
    asks=("bend",),
    starter=_starter,
    variants=CURVES,
    cases=_cases,
    call=lambda x: f"bend({digits(x)})",
    laws=(
        Law(name="number", sentence="a Value comes back, with a number, parents and slopes", holds=_is_number),
        Law(name="value", sentence="the value is the formula's", holds=_value, points=2, needs=("number",)),
        Law(name="node", sentence="it is one node, made from x", holds=_one_node, points=1, needs=("number",)),
        Law(
            name="slope",
            sentence="the slope is what nudging measures, at 100 points",
            holds=_slope,
            points=3,
            needs=("number", "value"),
        ),
        Law(name="chain", sentence="... in a chain of two as well", holds=_chain, points=2, needs=("slope",)),
        Law(
            name="large",
            sentence="1000 and -1000 have a value and a slope, too",
            holds=_survives,
            points=2,
            needs=("value", "slope"),
            cases=_large,
        ),
    ),
    observe=_observe,
    right=(lambda v: _node(v.f, v.slope), lambda v: _node(v.f_again, v.slope_again)),
    wrong=WRONG,
    hints=(
        "Write the derivative on paper with the chain rule: outer slope, taken at the inner value, times inner slope.",
        "Both lines use the plain number x.data and functions of math; only the last line makes a Value.",
        "Does math.exp see a number above 700? Treat x > 0 and x < 0 apart, so that it sees negative numbers only.",
    ),
    project="nanochat.engine.scalar.value:Value.gelu",
    allowed=("nanochat.engine.Value", "nanochat.engine.scalar.value.Value"),
)
