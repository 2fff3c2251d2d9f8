"""Exercise 7a: causal attention of one head, and its vector-Jacobian product."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np

from ....engine.scalar import functional as F
from ....engine.scalar.value import Value
from ...exercise import Answer, Broken, Exercise, Law, Observation, law
from ...judging import digits
from ..arrays.spelling import CLOSE, Array, Op, Vjp, first_difference, measured, not_a_pair, seen, words, wrong_shapes
from .mistakes import MISTAKES, Look, attended

_NAMES = ("dq", "dk", "dv")


@dataclass(frozen=True)
class Tokens:
    """What attention is tried on: queries and keys (T, D), values (T, E), and what comes back from above."""

    q: Array
    k: Array
    v: Array
    g: Array

    def __str__(self) -> str:
        return f"attention({words(self.q)}, {words(self.k)}, {words(self.v)})"

    @property
    def inputs(self) -> tuple[Array, Array, Array]:
        """Copies, to be given away."""
        return self.q.copy(), self.k.copy(), self.v.copy()


VARIANTS = {
    "plain": Look(),
    "window of 2": Look(window=2),
    "window of 3": Look(window=3),
    "every other key": Look(stride=2),
    "distance": Look(slope=0.5),
    "distance, steeper": Look(slope=1.0),
    "capped": Look(cap=2.0),
    "capped low": Look(cap=1.0),
    "a sink": Look(sink=True),
    "a sink and distance": Look(sink=True, slope=0.25),
}


def _starter(v: Look) -> str:
    score = "q[t] . k[s] / sqrt(D)"
    score = f"{v.cap:g} tanh({score} / {v.cap:g})" if v.cap else score
    score += f" - {v.slope:g} (t - s)" if v.slope else ""
    window = f" and t - s < {v.window}" if v.window else ""
    stride = f" and t - s a multiple of {v.stride}" if v.stride > 1 else ""
    return f'''"""Exercise 7a: attention of one head, and its way back.

    score[t, s] = {score}        for s <= t{window}{stride}
    p[t, s]     = exp(score[t, s]) / ({"1 + " if v.sink else ""}sum over those s of exp(score[t, s]))
    y[t]        = sum over s of p[t, s] v[s]

attention returns (y, vjp). vjp takes g = dL/dy, an array of y's shape, and returns dL/dq, dL/dk and dL/dv.
Check it with:  nanochat learn check 7a
"""

import numpy as np


def attention(q, k, v):
    """q and k (T, D), v (T, E) -> y (T, E), and vjp(g) -> (dq, dk, dv)"""
    ...
'''


def _cases(rng: random.Random, v: Look) -> list[Tokens]:
    """Two tokens of which the second has the scores 0 and ln 3: by hand. Then T, D and E that all differ."""
    q, k = np.array([[2.0, 0, 0, 0]] * 2), np.array([[0.0, 0, 0, 0], [math.log(3), 0, 0, 0]])
    by_hand = Tokens(q, k, np.array([[4.0], [8.0]]), np.array([[0.0], [1.0]]))
    return [by_hand, *(_drawn(rng, *sizes) for sizes in ((3, 2, 1), (4, 3, 2), (5, 2, 3)))]


def _drawn(rng: random.Random, n: int, d: int, e: int) -> Tokens:
    return Tokens(*(_array(rng, *shape) for shape in ((n, d), (n, d), (n, e), (n, e))))


def _array(rng: random.Random, rows: int, columns: int) -> Array:
    """One decimal and none near 0, so that a message is short and every key counts."""
    return np.array([[rng.choice((-1, 1)) * rng.randint(3, 20) / 10 for _ in range(columns)] for _ in range(rows)])


def _huge(rng: random.Random, v: Look) -> list[Tokens]:
    """Scores of 0, 800 and 1,600."""
    size = 800 * math.sqrt(2)
    k = np.array([[0.0, 0.0], [size, 0.0], [2 * size, 0.0]])
    return [Tokens(np.array([[1.0, 0.0]] * 3), k, np.array([[1.0], [2.0], [4.0]]), np.ones((3, 1)))]


# **** laws


def _pair(answer: Answer, case: Tokens, v: Look) -> Broken | None:
    problem = not_a_pair(answer["attention"](*case.inputs))
    return Broken(call=str(case), expected="an array and a function: (y, vjp)", got=problem) if problem else None


def _sum(answer: Answer, case: Tokens, v: Look) -> Broken | None:
    """Values of 1 show what the weights of each row sum to."""
    q, k, _ = case.inputs
    sums = answer["attention"](q, k, np.ones((len(q), 1)))[0]
    for t, total in enumerate(np.ravel(sums)):
        if (not 0 < total < 1) if v.sink else (not abs(total - 1) < 1e-9):
            call = f"attention({words(case.q)}, {words(case.k)}, ones): y[{t}]"
            return Broken(call=call, expected="between 0 and 1" if v.sink else "1", got=digits(float(total)))
    return None


def _future(answer: Answer, case: Tokens, v: Look) -> Broken | None:
    """The last key and the last value are changed: what came before stays."""
    q, k, values = case.inputs
    before = answer["attention"](q.copy(), k.copy(), values.copy())[0]
    k[-1] += 3.0
    values[-1] -= 5.0
    after = answer["attention"](q, k, values)[0]
    call = f"{case}, the last key and value changed"
    return first_difference(after[:-1], before[:-1], "y", call, close=1e-12, why=", as before")


def _value(answer: Answer, case: Tokens, v: Look) -> Broken | None:
    y, expected = answer["attention"](*case.inputs)[0], spelled(v)(*case.inputs)[0]
    if y.shape != expected.shape:
        return Broken(call=str(case), expected=f"y of shape {expected.shape}", got=f"shape {y.shape}")
    return first_difference(y, expected, "y", str(case), close=1e-9)


def _shape(answer: Answer, case: Tokens, v: Look) -> Broken | None:
    got = answer["attention"](*case.inputs)[1](case.g.copy())
    return wrong_shapes(_NAMES, got, case.inputs, f"{case}, vjp({words(case.g)})")


def _slopes(answer: Answer, case: Tokens, v: Look) -> Broken | None:
    got, call = answer["attention"](*case.inputs)[1](case.g.copy()), f"{case}, vjp({words(case.g)})"
    for i, name in enumerate(_NAMES):
        expected = measured(lambda *inputs: answer["attention"](*inputs)[0], case.inputs, case.g, i)
        broken = first_difference(got[i], expected, name, call, close=CLOSE, why=", as nudging measures")
        if broken:
            return broken
    return None


def _untouched(answer: Answer, case: Tokens, v: Look) -> Broken | None:
    given, above = case.inputs, case.g.copy()
    answer["attention"](*given)[1](above)
    for name, before, after in zip("qkvg", (*case.inputs, case.g), (*given, above), strict=True):
        if not np.array_equal(before, after):
            return Broken(call=f"{case}, vjp(g)", expected=f"{name} as it was: {words(before)}", got=words(after))
    return None


def _observe(answer: Answer, case: Tokens, v: Look) -> Observation:
    given, above = case.inputs, case.g.copy()
    y, vjp = answer["attention"](*given)
    found = seen({"y": y}, {"y": case.g.shape})
    found |= seen(dict(zip(_NAMES, vjp(above), strict=True)), {"dq": case.q.shape, "dk": case.k.shape, "dv": y.shape})
    pairs = zip("qkvg", (*case.inputs, case.g), (*given, above), strict=True)
    touched = [name for name, before, after in pairs if not np.array_equal(before, after)]
    return found | {"changed": " ".join(touched) or "nothing"}


# **** right answers


def spelled(v: Look) -> Op:
    """In Values: the way back is the engine's."""

    def op(q: Array, k: Array, values: Array) -> tuple[Array, Vjp]:
        def run() -> tuple[list[list[list[Value]]], list[list[Value]]]:
            leaves = [[[Value(float(x)) for x in row] for row in array] for array in (q, k, values)]
            return leaves, [_one(v, t, *leaves) for t in range(len(q))]

        def vjp(g: Array) -> tuple[Array, ...]:
            leaves, y = run()
            flat = [one for row in y for one in row]
            F.sum([one * float(weight) for one, weight in zip(flat, g.ravel(), strict=True)]).backward()
            return tuple(np.array([[x.grad for x in row] for row in rows]) for rows in leaves)

        return np.array([[x.data for x in row] for row in run()[1]]), vjp

    return op


def _one(v: Look, t: int, q: list[list[Value]], k: list[list[Value]], values: list[list[Value]]) -> list[Value]:
    """What query t gathers."""
    past = [s for s in range(t + 1) if v.sees(t, s)]
    scores = [F.dot(q[t], k[s]) * (1 / math.sqrt(len(q[t]))) for s in past]
    if v.cap:
        scores = [(score * (1 / v.cap)).tanh() * v.cap for score in scores]
    scores = [score - v.slope * (t - s) for score, s in zip(scores, past, strict=True)]
    p = F.softmax([*scores, Value(0.0)] if v.sink else scores)[: len(past)]
    return [F.dot(p, [values[s][e] for s in past]) for e in range(len(values[0]))]


EXERCISE = Exercise(
    title="attention and its way back",
    file="look.py",
    asks=("attention",),
    starter=_starter,
    variants=VARIANTS,
    cases=_cases,
    call=str,
    laws=(
        law("pair", "an array and a function come back", _pair, 1),
        law("sum", "the weights of a row sum to 1 (with a sink, to less)", _sum, 1, "pair"),
        law("future", "a later key and value change no earlier y", _future, 2, "pair"),
        law("value", "y is what numbers one by one compute", _value, 2, "pair"),
        Law(
            name="large",
            sentence="... when the scores are large as well",
            holds=_value,
            needs=("value",),
            cases=_huge,
        ),
        law("shape", "a gradient has the shape of its input", _shape, 1, "pair"),
        law("slopes", "the gradients are what nudging measures, entry by entry", _slopes, 4, "value", "shape"),
        law("untouched", "inputs and g are as they were", _untouched, 1, "shape"),
    ),
    observe=_observe,
    right=(lambda v: {"attention": attended(v)}, lambda v: {"attention": spelled(v)}),
    wrong=MISTAKES,
    hints=(
        "Scores first, (T, T): -inf where a key is not seen, then a softmax over each row. y = p @ v.",
        "Back: dv = p.T @ g, and what reaches p is dp = g @ v.T. Which softmax rule do you know from lesson 3?",
        "ds = p * (dp - (p * dp).sum(-1, keepdims=True)), then back through what was done to q . k, scale included.",
    ),
    project="nanochat.engine.tensor.ops.attention:attend",
    allowed=("numpy",),
)
