"""Exercise 5b: rows of a table by their ids, where an id may come twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...exercise import Answer, Broken, Exercise, Law, Observation, Wrong
from .spelling import CLOSE, Array, Vjp, first_difference, measured, not_a_pair, seen, words, wrong_shapes


@dataclass(frozen=True)
class Table:
    """A weight (V, C), ids, and what comes back from above."""

    weight: Array
    ids: Array
    g: Array

    def __str__(self) -> str:
        return f"lookup({words(self.weight)}, {self.ids.tolist()})"


def _starter(v: float) -> str:
    factor = "" if v == 1 else f"{v:g} * "
    return f'''"""Exercise 5b: rows of a table by their ids. Every language model begins with it.

    y[t] = {factor}weight[ids[t]]

Check it with:  nanochat learn check 5b
"""

import numpy as np


def lookup(weight, ids):
    """weight (V, C), ids (T,) of whole numbers -> y (T, C), and vjp(g) -> dL/dweight"""
    ...
'''


def _cases(rng: random.Random, v: float) -> list[Table]:
    cases = [Table(np.arange(1.0, 7.0).reshape(3, 2), np.array([2, 0, 2]), np.array([[1.0, 2], [3, 4], [50, 60]]))]
    for size, n in ((3, 4), (5, 7)):
        ids = np.array([0, 0, *(rng.randrange(size - 1) for _ in range(n - 2))])  # one twice, the last one never
        numbers = np.array([round(rng.uniform(-3, 3), 1) for _ in range(3 * (size + n))]).reshape(-1, 3)
        cases.append(Table(numbers[:size], ids, numbers[size:]))
    return cases


def _run(answer: Answer, case: Table) -> tuple[Array, Array]:
    y, vjp = answer["lookup"](case.weight.copy(), case.ids.copy())
    back = vjp(case.g.copy())
    return y, back[0] if isinstance(back, tuple) else back


def _pair(answer: Answer, case: Table, v: float) -> Broken | None:
    problem = not_a_pair(answer["lookup"](case.weight.copy(), case.ids.copy()))
    return Broken(call=str(case), expected="an array and a function: (y, vjp)", got=problem) if problem else None


def _value(answer: Answer, case: Table, v: float) -> Broken | None:
    y, expected = answer["lookup"](case.weight.copy(), case.ids.copy())[0], v * case.weight[case.ids]
    if y.shape != expected.shape:
        return Broken(call=str(case), expected=f"y of shape {expected.shape}", got=f"shape {y.shape}")
    return first_difference(y, expected, "y", str(case), close=1e-9)


def _slopes(answer: Answer, case: Table, v: float) -> Broken | None:
    call = f"{case}, vjp({words(case.g)})"
    got = _run(answer, case)[1]
    broken = wrong_shapes(("dweight",), (got,), (case.weight,), call)
    if broken:
        return broken
    expected = measured(lambda weight: answer["lookup"](weight, case.ids.copy())[0], (case.weight,), case.g, 0)
    why = ", as nudging measures"
    return first_difference(got, expected, "dweight", call, close=CLOSE, why=why)


def _observe(answer: Answer, case: Table, v: float) -> Observation:
    y, back = _run(answer, case)
    return seen({"y": y, "dweight": back}, {"y": case.g.shape, "dweight": case.weight.shape})


Back = Callable[[Table, float], Array]


def _answer(back: Back) -> Callable[[float], Answer]:
    def answer(v: float) -> Answer:
        def lookup(weight: Array, ids: Array) -> tuple[Array, Vjp]:
            return v * weight[ids], lambda g: (back(Table(weight, ids, g), v),)

        return {"lookup": lookup}

    return answer


def _one_hot(case: Table, v: float) -> Array:
    return v * (np.eye(len(case.weight))[case.ids].T @ case.g)


def _added(case: Table, v: float) -> Array:
    total = np.zeros_like(case.weight)
    for t, i in enumerate(case.ids):
        total[i] += v * case.g[t]
    return total


def _assigned(case: Table, v: float) -> Array:
    total = np.zeros_like(case.weight)
    total[case.ids] = v * case.g
    return total


def _averaged(case: Table, v: float) -> Array:
    n = np.bincount(case.ids, minlength=len(case.weight))
    return _added(case, v) / np.maximum(n, 1)[:, None]


EXERCISE = Exercise(
    title="rows by their ids",
    file="lookup.py",
    asks=("lookup",),
    starter=_starter,
    variants={"rows": 1.0, "doubled": 2.0, "halved": 0.5},
    cases=_cases,
    call=str,
    laws=(
        Law(name="pair", sentence="an array and a function come back", holds=_pair),
        Law(name="value", sentence="y holds the rows that the ids name", holds=_value, needs=("pair",)),
        Law(
            name="slopes",
            sentence="the gradient is what nudging measures, an id that comes twice included",
            holds=_slopes,
            points=3,
            needs=("value",),
        ),
    ),
    observe=_observe,
    right=(_answer(_added), _answer(_one_hot)),
    wrong=(
        Wrong(
            name="assigned",
            answer=_answer(_assigned),
            sentence="an id that comes twice kept its last gradient alone: assigning to total[ids] does not add.",
        ),
        Wrong(
            name="averaged",
            answer=_answer(_averaged),
            sentence="an id that comes twice got the mean of its gradients: slopes over several paths add.",
        ),
        Wrong(
            name="rows of y",
            answer=_answer(lambda case, v: v * case.g),
            sentence="that has a row for every position; a gradient has the shape of its input, a row for every id.",
        ),
        Wrong(
            name="twice times",
            answer=_answer(
                lambda case, v: _added(case, v) * np.bincount(case.ids, minlength=len(case.weight))[:, None]
            ),
            sentence="the sum over its uses was multiplied by how often an id comes, as well: adding is enough.",
        ),
    ),
    hints=(
        "Which rows of y does row i of the weight stand in? Those rows of g add up.",
        "A loop over the positions with += is right. total[ids] += g is not: NumPy reads before it writes.",
        "np.add.at(total, ids, g) adds as often as an id comes; so does the transpose of a one-hot matrix, times g.",
    ),
    project="nanochat.engine.tensor.ops.linear:embedding",
    allowed=("numpy",),
)
