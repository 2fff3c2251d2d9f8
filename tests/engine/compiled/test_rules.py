"""Every op of a Value, at every number that a formula can end at: the rule gives what the line in value.py gives."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import numpy as np
import pytest

from nanochat.engine import Value
from nanochat.engine.compiled.program import Program, kind_of
from nanochat.engine.compiled.rules import EMIT, RULES

NUMBERS = (1.0, -2.5, 0.3, 0.0, -0.0, 700.0, 1e200, -1e200, 1e-320, math.inf, -math.inf, math.nan)
POWERS = (0, 1, 2, 3, -1, -2, 0.5, -0.5, 1.5)
UNARY: dict[str, Callable[[Value], Value]] = {
    **{name: getattr(Value, name) for name in ("exp", "log", "sqrt", "tanh", "sigmoid", "relu", "gelu", "abs")},
    "neg": lambda x: -x,
    **{f"x ** {p}": lambda x, p=p: x**p for p in POWERS},
    **{f"{b} ** x": lambda x, b=b: b**x for b in (0, 0.5, 1, 3)},
    **{
        f"{text} with {c}": lambda x, c=c, op=op: op(x, c)
        for c in (2.5, -1.5, 0.0, -0.0)
        for text, op in {
            "x + c": lambda x, c: x + c, "c + x": lambda x, c: c + x, "x - c": lambda x, c: x - c,
            "c - x": lambda x, c: c - x, "x * c": lambda x, c: x * c, "x / c": lambda x, c: x / c,
            "c / x": lambda x, c: c / x, "x max c": lambda x, c: x.max(c),
        }.items()
    },
}  # fmt: skip
BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "max": lambda x, y: x.max(y),
}


def assert_replayed(op: Callable[..., Value], *columns: list[float]) -> None:
    """Of all rows of numbers at once, traced at 0.7."""
    leaves = [[Value(0.7) for _ in column] for column in columns]
    outputs = [op(*row) for row in zip(*leaves, strict=True)]
    program = Program(outputs, [(str(i), column) for i, column in enumerate(leaves)])
    with np.errstate(all="ignore"):
        for place, column in zip(program.weights, columns, strict=True):
            place[...] = column
        found = program.forward()[0]
        slopes = program.backward(np.ones((1, len(outputs))))
    for i, numbers in enumerate(zip(*columns, strict=True)):
        xs = [Value(x) for x in numbers]
        y = op(*xs)
        y.backward()
        assert found[i] == pytest.approx(y.data, rel=1e-13, abs=1e-300, nan_ok=True), numbers
        if y.op != "max" and y.data == 0:  # of two zeros that are equal NumPy's maximum is either one
            assert math.copysign(1, found[i]) == math.copysign(1, y.data), numbers
        for x, slope in zip(xs, slopes, strict=True):
            assert slope[i] == pytest.approx(x.grad, rel=1e-13, abs=1e-300, nan_ok=True), numbers


@pytest.mark.parametrize("name", UNARY)
def test_a_function_of_one_number_is_that_of_a_value(name):
    assert_replayed(UNARY[name], list(NUMBERS))


@pytest.mark.parametrize("name", BINARY)
def test_a_function_of_two_numbers_is_that_of_values(name):
    pairs = [(x, y) for x in NUMBERS for y in NUMBERS]
    assert_replayed(BINARY[name], [x for x, _ in pairs], [y for _, y in pairs])


def test_every_rule_is_tried_above():
    tried = {kind_of(op(Value(0.7))) for op in UNARY.values()}
    tried |= {kind_of(op(Value(0.7), Value(0.6))) for op in BINARY.values()}
    assert tried == set(RULES)


def test_every_op_of_the_engine_has_a_rule():
    """The names that value.py and functional.py give to nodes."""
    from nanochat.engine.scalar import functional, value

    source = inspect.getsource(value) + inspect.getsource(functional)
    names = {
        line.rstrip().removesuffix(")").split('"')[-2]
        for line in source.splitlines()
        if "Value(" in line and '"' in line
    }
    plain = {name for name in names if name.replace("_", "").replace("+b", "").isalpha()}
    assert {"exp", "gelu", "dot", "dot+b", "cross_entropy"} <= plain
    assert plain - {"max"} <= {*RULES, *EMIT}
