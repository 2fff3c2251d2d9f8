"""Exercise 3b: second slopes, measured."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...exercise import Answer, Broken, Exercise, Law, Observation, Wrong
from ...judging import digits
from .formula import Formula

_H = 1e-5
_CLOSE = 1e-7
"""Central differences of these functions err by 1e-10, one-sided ones by 1e-6."""
Slopes = Callable[[Sequence[float]], list[float]]


class _Field(NamedTuple):
    """A function of a point that gives as many numbers, and their slopes there."""

    name: str
    at: tuple[float, ...]
    slopes: Slopes
    truth: list[list[float]]


def _turn(at: tuple[float, float]) -> _Field:
    """Not the slopes of anything: its table is not its own mirror image."""
    return _Field("[-y, x]", at, lambda xs: [-xs[1], xs[0]], [[0.0, -1.0], [1.0, 0.0]])


def _cubes(at: tuple[float, ...]) -> _Field:
    table = [[3 * x * x * (i == j) for j in range(len(at))] for i, x in enumerate(at)]
    return _Field("[x^3, ...]", at, lambda xs: [x**3 for x in xs], table)


def _losses(at: tuple[float, ...], target: int) -> _Field:
    p = Formula().softmax(at)
    table = [[p_i * ((i == j) - p_j) for j, p_j in enumerate(p)] for i, p_i in enumerate(p)]
    return _Field("slopes of cross_entropy", at, lambda xs: Formula().slopes(xs, target), table)


def _starter(scale: float) -> str:
    asked = "d slopes_i / d x_j" if scale == 1 else f"{scale:g} times d slopes_i / d x_j"
    return f'''"""Exercise 3b: second slopes, measured.

hessian(slopes, xs)[i][j] is {asked}, by central differences with h = 1e-5.
`slopes` takes a list of plain numbers and gives as many; xs is such a list, and is the same when you are done.
Try it on cross_entropy: what is entry [i][j] in terms of p_i and p_j?
Check it with:  nanochat learn check 3b
"""


def hessian(slopes, xs):
    ...
'''


def _cases(rng: random.Random, scale: float) -> list[_Field]:
    drawn = [tuple(round(rng.uniform(-2, 2), 1) for _ in range(n)) for n in (2, 3, 3, 4, 5)]
    hand = [_turn((1.0, 2.0)), _cubes((1.0, 2.0)), _losses((0.0, math.log(2), math.log(5)), 1)]
    return [*hand, *(_losses(at, rng.randrange(len(at))) for at in drawn), *map(_cubes, drawn)]


def _call(case: _Field) -> str:
    return f"hessian({case.name}, [{', '.join(map(digits, case.at))}])"


def _value(answer: Answer, case: _Field, scale: float) -> Broken | None:
    found = answer["hessian"](case.slopes, list(case.at))
    n = len(case.at)
    if not isinstance(found, (list, tuple)) or [len(row) for row in found] != [n] * n:
        return Broken(call=_call(case), expected=f"{n} rows of {n} numbers", got=digits(found))
    for i in range(n):
        for j in range(n):
            expected = scale * case.truth[i][j]
            if not abs(found[i][j] - expected) < _CLOSE * max(1.0, abs(expected)):
                return Broken(call=f"{_call(case)}[{i}][{j}]", expected=digits(expected), got=f"{found[i][j]:.9g}")
    return None


def _unchanged(answer: Answer, case: _Field, scale: float) -> Broken | None:
    xs = list(case.at)
    answer["hessian"](case.slopes, xs)
    was = list(case.at)
    return None if xs == was else Broken(call=_call(case), expected=f"xs as it was: {was}", got=str(xs))


def _observe(answer: Answer, case: _Field, scale: float) -> Observation:
    xs = list(case.at)
    found = answer["hessian"](case.slopes, xs)
    n = len(xs)
    seen: dict[str, Any] = {f"[{i}][{j}]": round(found[i][j], 7) for i in range(n) for j in range(n)}
    return seen | {"xs after": "the same" if xs == list(case.at) else "changed"}


def _by_columns(scale: float, *, h: float = _H, width: float = 2 * _H, is_central: bool = True) -> Answer:
    def hessian(slopes: Slopes, xs: list[float]) -> list[list[float]]:
        columns = []
        for j in range(len(xs)):
            up = slopes([x + h * (i == j) for i, x in enumerate(xs)])
            down = slopes([x - h * (i == j) * is_central for i, x in enumerate(xs)])
            columns.append([scale * (a - b) / width for a, b in zip(up, down, strict=True)])
        return [list(row) for row in zip(*columns, strict=True)]

    return {"hessian": hessian}


def _in_place(scale: float) -> Answer:
    def hessian(slopes: Slopes, xs: list[float]) -> list[list[float]]:
        table = [[0.0] * len(xs) for _ in xs]
        for j, x in enumerate(xs):
            for sign in (1, -1):
                xs[j] = x + sign * _H
                for i, slope in enumerate(slopes(xs)):
                    table[i][j] += scale * sign * slope / (2 * _H)
            xs[j] = x
        return table

    return {"hessian": hessian}


def _left_there(scale: float) -> Answer:
    right = _by_columns(scale)["hessian"]

    def hessian(slopes: Slopes, xs: list[float]) -> list[list[float]]:
        table: list[list[float]] = right(slopes, xs)
        xs[0] += _H
        return table

    return {"hessian": hessian}


def _mirrored(scale: float) -> Answer:
    right = _by_columns(scale)["hessian"]
    return {"hessian": lambda slopes, xs: [list(row) for row in zip(*right(slopes, xs), strict=True)]}


EXERCISE = Exercise(
    title="second slopes",
    file="hessian.py",
    asks=("hessian",),
    starter=_starter,
    variants={"the table": 1.0, "half of it": 0.5, "minus the table": -1.0},
    cases=_cases,
    call=_call,
    laws=(
        Law(name="value", sentence="every entry is the slope of a slope", holds=_value, points=4),
        Law(name="unchanged", sentence="xs is the same afterwards", holds=_unchanged),
    ),
    observe=_observe,
    right=(_by_columns, _in_place),
    wrong=(
        Wrong(
            name="one side",
            answer=lambda scale: _by_columns(scale, width=_H, is_central=False),
            sentence="near, and not near enough: a step to one side errs by h, a step to both sides by h squared.",
        ),
        Wrong(
            name="half the width",
            answer=lambda scale: _by_columns(scale, width=_H),
            sentence="every entry is twice too large: from x - h to x + h it is 2 h.",
        ),
        Wrong(
            name="mirrored",
            answer=_mirrored,
            sentence="rows and columns are swapped: entry [i][j] is how slope i moves with x_j.",
        ),
        Wrong(
            name="xs moved",
            answer=_left_there,
            sentence="the numbers are right, and the list that you were given is not what it was: put back what you "
            "move.",
        ),
    ),
    hints=(
        "Move one x at a time: one call of slopes with it up, one with it down, gives a whole column.",
        "slopes(up)[i] - slopes(down)[i], divided by how far apart up and down are.",
        "Make new lists for up and down, or put x back before you move the next one.",
    ),
    project="nanochat.engine.gradcheck:check_gradients",
)
