"""Small programs, run with floats or with any class of numbers: what engines of exercise 2a are tried on."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Function(NamedTuple):
    """A function of one number that an engine may be asked for."""

    f: Callable[[float], float]
    slope: Callable[[float], float]
    inside: Callable[[float], bool]
    """Where programs use it: tame, and away from corners."""
    formula: str = ""
    """Where the name does not say it."""


FUNCTIONS = {
    "exp": Function(math.exp, math.exp, lambda x: -4 < x < 2),
    "log": Function(math.log, lambda x: 1 / x, lambda x: 0.2 < x < 20),
    "tanh": Function(math.tanh, lambda x: 1 - math.tanh(x) ** 2, lambda x: abs(x) < 3),
    "relu": Function(
        lambda x: max(x, 0.0), lambda x: float(x > 0), lambda x: 0.1 < abs(x) < 20, "x where it is positive, else 0"
    ),
    "sigmoid": Function(
        lambda x: 1 / (1 + math.exp(-x)),
        lambda x: 1 / (1 + math.exp(-x)) / (1 + math.exp(x)),
        lambda x: abs(x) < 5,
        "1 / (1 + exp(-x))",
    ),
    "sqrt": Function(math.sqrt, lambda x: 0.5 / math.sqrt(x), lambda x: 0.2 < x < 20),
    "sin": Function(math.sin, math.cos, lambda x: abs(x) < 10),
    "cos": Function(math.cos, lambda x: -math.sin(x), lambda x: abs(x) < 10),
    "square": Function(lambda x: x * x, lambda x: 2 * x, lambda x: abs(x) < 5, "x * x"),
    "cube": Function(lambda x: x * x * x, lambda x: 3 * x * x, lambda x: abs(x) < 3, "x * x * x"),
    "reciprocal": Function(lambda x: 1 / x, lambda x: -1 / x**2, lambda x: 0.3 < abs(x) < 20, "1 / x"),
}
MUST = ("exp", "log")
"""Asked for in every variant: the bigram of milestone 1 is trained with them."""
_PAIRS = "+-*"
_TAME = 20.0


class Step(NamedTuple):
    """One line of a program."""

    op: str
    """+ - * of two earlier numbers, a function's name, or `2+` and `+2` and their kind with a plain number."""
    left: int
    right: int = -1


@dataclass(frozen=True)
class Program:
    """Leaves, then steps; each step makes one number of earlier ones, and the last is the result."""

    leaves: tuple[float, ...]
    steps: tuple[Step, ...]

    def run(self, leaves: Sequence[Any]) -> list[Any]:
        """Every number of it, leaves first, computed with whatever kind of number the leaves are."""
        numbers = list(leaves)
        for op, left, right in self.steps:
            numbers.append(_apply(op, numbers[left], numbers[right] if right >= 0 else None))
        return numbers

    def slopes(self, h: float = 1e-5) -> list[float]:
        """d result / d leaf by central differences in plain floats."""
        found = []
        for i, x in enumerate(self.leaves):
            ends = [self.run([*self.leaves[:i], x + s, *self.leaves[i + 1 :]])[-1] for s in (h, -h)]
            found.append((ends[0] - ends[1]) / (2 * h))
        return found

    def text(self) -> str:
        """As a line of Python: `a = 3; b = a + a; c = b + b`."""
        names = "abcdefghijklmnopqrstuvwxyz"
        lines = [f"{names[i]} = {x:g}" for i, x in enumerate(self.leaves)]
        for i, (op, left, right) in enumerate(self.steps, len(self.leaves)):
            lines.append(f"{names[i]} = {_spelled(op, names[left], names[right] if right >= 0 else '')}")
        return "; ".join(lines)


def _apply(op: str, a: Any, b: Any) -> Any:
    if op in FUNCTIONS:
        return FUNCTIONS[op].f(a) if isinstance(a, float) else getattr(a, op)()
    sign = op.strip("2")
    left, right = (2.0, a) if op.startswith("2") else (a, 2.0) if op.endswith("2") else (a, b)
    return left + right if sign == "+" else left - right if sign == "-" else left * right


def _spelled(op: str, a: str, b: str) -> str:
    if op in FUNCTIONS:
        return f"{a}.{op}()"
    sign = op.strip("2")
    return f"2 {sign} {a}" if op.startswith("2") else f"{a} {sign} 2" if op.endswith("2") else f"{a} {sign} {b}"


TWICE = Program((3.0,), (Step("+", 0, 0), Step("+", 1, 1)))
SHARED = Program((3.0,), (Step("*2", 0), Step("+2", 1), Step("*", 1, 2)))
THREE = Program((0.5, 2.0), (Step("*", 0, 1), Step("+", 2, 0), Step("*", 3, 2), Step("-", 4, 3), Step("+", 5, 2)))
SIDES = tuple(Program((1.5,), (Step(op, 0),)) for op in ("+2", "2+", "*2", "2*", "-2", "2-"))


def simple(functions: Sequence[str]) -> list[Program]:
    """One step each: every operation that is asked for."""
    pairs = [Program((2.0, 3.0), (Step(sign, 0, 1),)) for sign in _PAIRS]
    off = [Program((-0.7,), (Step("relu", 0),))] if "relu" in functions else []
    return [*pairs, *(Program((0.7 if name != "cos" else 1.2,), (Step(name, 0),)) for name in functions), *off]


def draw(rng: random.Random, functions: Sequence[str], n_steps: int) -> Program:
    """A random program whose numbers stay tame."""
    leaves = tuple(round(rng.uniform(-2.0, 2.0), 2) or 0.5 for _ in range(rng.randint(2, 5)))
    numbers: list[float] = list(leaves)
    steps: list[Step] = []
    while len(steps) < n_steps:
        left, right = rng.randrange(len(numbers)), rng.randrange(len(numbers))
        op = rng.choice([*_PAIRS, *functions])
        if op == "-" and left == right:
            continue
        if op in FUNCTIONS:
            if not FUNCTIONS[op].inside(numbers[left]):
                continue
            right = -1
        x = _apply(op, numbers[left], numbers[right] if right >= 0 else None)
        if abs(x) < _TAME:
            numbers.append(x)
            steps.append(Step(op, left, right))
    return _pruned(leaves, steps)


def _pruned(leaves: tuple[float, ...], steps: list[Step]) -> Program:
    """Only what the last step was computed from, so that nobody reads a line that has nothing to do with the result."""
    n, needed = len(leaves), {len(leaves) + len(steps) - 1}
    for i in range(len(steps) - 1, -1, -1):
        if n + i in needed:
            needed |= {j for j in (steps[i].left, steps[i].right) if j >= 0}
    place = {old: new for new, old in enumerate(sorted(needed))}
    kept = [step for i, step in enumerate(steps) if n + i in needed]
    return Program(
        tuple(x for i, x in enumerate(leaves) if i in needed),
        tuple(Step(op, place[left], place.get(right, -1)) for op, left, right in kept),
    )
