"""Exercise 2a: an engine of one's own, on random programs."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from ...exercise import Answer, Broken, Exercise, Law, Observation
from ...judging import digits
from .engines import RIGHT, WRONG, Functions
from .programs import FUNCTIONS, MUST, SHARED, SIDES, THREE, TWICE, Program, Step, draw, simple

_LONG = 5000
_SHORT, _DOUBLE = 5, 10
"""Doublings whose work is compared."""
_VARIANTS = (
    "tanh relu square",
    "tanh sqrt cube",
    "relu sin reciprocal",
    "sigmoid sqrt square",
    "sigmoid cos cube",
    "relu cos sqrt",
    "tanh sin square",
    "sigmoid reciprocal relu",
    "sin cube sqrt",
    "cos reciprocal tanh",
)


def _starter(functions: Functions) -> str:
    asked = "\n".join(map(_blank, functions))
    return f'''"""Exercise 2a: an engine of your own, in about 60 lines and with Python alone.

A Number has `data` and `grad`. It adds, subtracts and multiplies, with another Number or a plain number on either side
(2 + a asks for __radd__), and has {", ".join(functions)}.
backward() of the last one adds d(result)/d(leaf) to the grad of every leaf below it.
Check it with:  nanochat learn check 2a
"""

import math


class Number:
    def __init__(self, data):
        self.data = data
        self.grad = 0.0

    def __add__(self, other):
        ...

    def __mul__(self, other):
        ...

    def __sub__(self, other):
        ...

{asked}
    def backward(self):
        ...
'''


def _blank(name: str) -> str:
    formula = FUNCTIONS[name].formula
    return f"    def {name}(self):{'  # ' + formula if formula else ''}\n        ...\n"


def _cases(rng: random.Random, functions: Functions) -> list[Program]:
    return [*simple(functions), *(draw(rng, functions, n) for n in range(3, 13) for _ in range(2))]


def _single(rng: random.Random, functions: Functions) -> list[Program]:
    return simple(functions)


def _shared(rng: random.Random, functions: Functions) -> list[Program]:
    return [TWICE, SHARED, THREE]


def _sides(rng: random.Random, functions: Functions) -> list[Program]:
    return list(SIDES)


def _chain(rng: random.Random, functions: Functions) -> list[Program]:
    return [Program((1.0,), tuple(Step("+2", i) for i in range(_LONG)))]


def _doublings(rng: random.Random, functions: Functions) -> list[Program]:
    return [_doubled(_DOUBLE)]


def _doubled(n: int) -> Program:
    return Program((1.0,), tuple(Step("+", i, i) for i in range(n)))


def _call(program: Program) -> str:
    return program.text() if len(program.steps) <= 15 else f"a chain of {len(program.steps):,} additions"


# **** laws


def _values(answer: Answer, program: Program, functions: Functions) -> Broken | None:
    numbers = program.run([answer["Number"](x) for x in program.leaves])
    truth = program.run(list(program.leaves))
    result = numbers[-1]
    data = getattr(result, "data", result)
    if isinstance(data, (int, float)) and math.isclose(data, truth[-1], rel_tol=1e-9, abs_tol=1e-12):
        return None
    return Broken(call=_call(program), expected=digits(truth[-1]), got=digits(data))


def _slopes(answer: Answer, program: Program, functions: Functions) -> Broken | None:
    leaves = [answer["Number"](x) for x in program.leaves]
    program.run(leaves)[-1].backward()
    return _compared(program, [leaf.grad for leaf in leaves], program.slopes())


def _again(answer: Answer, program: Program, functions: Functions) -> Broken | None:
    leaves = [answer["Number"](x) for x in program.leaves]
    result = program.run(leaves)[-1]
    result.backward()
    first = [leaf.grad for leaf in leaves]
    result.backward()
    return _compared(program, [leaf.grad for leaf in leaves], [2 * slope for slope in first], " after the second")


def _compared(program: Program, got: list[float], expected: list[float], when: str = "") -> Broken | None:
    for name, yours, slope in zip("abcdefgh", got, expected, strict=False):
        if not abs(yours - slope) <= 1e-5 + 1e-6 * abs(slope):
            return Broken(call=_call(program), expected=f"slope {digits(slope)} for {name}{when}", got=digits(yours))
    return None


def _work(answer: Answer, program: Program, functions: Functions) -> Broken | None:
    """Calls are counted, not seconds, so that no busy machine makes a right answer wrong."""
    counts = []
    for n in (_SHORT, _DOUBLE):
        result = _doubled(n).run([answer["Number"](1.0)])[-1]
        counts.append(_calls(result.backward))
    ratio = counts[1] / max(1, counts[0])
    if ratio <= 6:
        return None
    return Broken(
        call=f"{_DOUBLE} doublings after {_SHORT}", expected="about 2 times the calls", got=f"{ratio:.0f} times"
    )


def _calls(function: Callable[[], Any]) -> int:
    """How many calls, of Python's functions and of built-in ones, `function` makes."""
    count = 0

    def hear(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(hear)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


def _observe(answer: Answer, program: Program, functions: Functions) -> Observation:
    leaves = [answer["Number"](x) for x in program.leaves]
    result = program.run(leaves)[-1]
    seen: dict[str, float | str] = {"value": result.data}
    result.backward()
    for name, leaf in zip("abcdefgh", leaves, strict=False):
        seen[f"slope for {name}"] = leaf.grad
    result.backward()
    for name, leaf in zip("abcdefgh", leaves, strict=False):
        seen[f"after the second, for {name}"] = leaf.grad
    return seen


EXERCISE = Exercise(
    title="an engine of your own",
    file="number.py",
    asks=("Number",),
    starter=_starter,
    variants={names: (*MUST, *names.split()) for names in _VARIANTS},
    cases=_cases,
    call=_call,
    laws=(
        Law(name="value", sentence="values are what Python's own numbers give", holds=_values, points=2),
        Law(
            name="sides",
            sentence="a plain number may stand on either side",
            holds=_values,
            needs=("value",),
            cases=_sides,
        ),
        Law(
            name="slope",
            sentence="the slopes of one operation are what nudging measures",
            holds=_slopes,
            points=2,
            needs=("value",),
            cases=_single,
        ),
        Law(
            name="shared",
            sentence="a number used twice, and through a shared middle, gets the slopes of all roads",
            holds=_slopes,
            points=2,
            needs=("value",),
            cases=_shared,
        ),
        Law(
            name="programs",
            sentence="... and those of 20 random programs",
            holds=_slopes,
            needs=("slope", "shared"),
        ),
        Law(
            name="again",
            sentence="a second backward adds the same to the leaves again, and nothing worse",
            holds=_again,
            needs=("programs",),
        ),
        Law(
            name="long",
            sentence="a chain of 5,000 nodes works",
            holds=_slopes,
            needs=("value",),
            cases=_chain,
        ),
        Law(
            name="work",
            sentence="twice the nodes take about twice the calls",
            holds=_work,
            needs=("value",),
            cases=_doublings,
        ),
    ),
    observe=_observe,
    right=RIGHT,
    wrong=WRONG,
    hints=(
        "Let each operation keep its parents and, beside each, the local slope: two lines that all of them share.",
        "backward needs an order in which a node speaks after everything computed from it. When was each node made?",
        "Find the nodes below with a list and a set; zero the grad of those with parents; set the result's to 1; walk.",
    ),
    project="nanochat.engine.scalar.value:Value.backward",
)
