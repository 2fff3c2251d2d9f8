"""Exercise 3a: softmax and cross-entropy of a list of Values."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

from ....engine.scalar.value import Value
from ...exercise import Answer, Broken, Exercise, Law, Observation
from ...judging import digits
from ..nodes import flaw
from .answers import RIGHT, WRONG
from .formula import Formula

_NUDGE = 1e-5
_CLOSE = 1e-7
"""Central differences of these functions err by 1e-10."""


class Case(NamedTuple):
    """Logits, and the one that came."""

    logits: tuple[float, ...]
    target: int = 0

    def values(self) -> list[Value]:
        return [Value(x) for x in self.logits]


def _starter(v: Formula) -> str:
    return f'''"""Exercise 3a: from logits to probabilities to one number of surprise.

    softmax(xs)                    {v.softmax_text}
    cross_entropy(logits, target)  {v.loss_text}

xs and logits are lists of Values. softmax gives a list of Values, made of as many nodes as you like.
cross_entropy gives a Value that is one node: Value(value, tuple(logits), slopes, "cross_entropy").
Check it with:  nanochat learn check 3a
"""

import math

from nanochat.engine import Value


def softmax(xs):
    ...


def cross_entropy(logits, target):
    ...
'''


def _cases(rng: random.Random, v: Formula) -> list[Case]:
    hand = [Case((0.0, 0.0)), Case((math.log(1), math.log(2), math.log(5)), 1)]
    drawn = [tuple(round(rng.uniform(-3, 3), 1) for _ in range(n)) for n in (2, 3, 3, 4, 5, 6) for _ in range(3)]
    return [*hand, *(Case(xs, rng.randrange(len(xs))) for xs in drawn)]


def _large(rng: random.Random, v: Formula) -> list[Case]:
    """The second row is for temperatures: exp(1000 / 3) still is a float."""
    small = [Case((0.0, 1000.0), 1), Case((1000.0, 1000.0)), Case((0.0, 1000.0), 0), Case((-1000.0, 0.0, 5.0), 2)]
    return [*small, Case((0.0, 10_000.0), 1), Case((0.0, 10_000.0), 0)]


# **** laws


def _list(answer: Answer, case: Case, v: Formula) -> Broken | None:
    p = answer["softmax"](case.values())
    n = len(case.logits)
    if isinstance(p, (list, tuple)) and len(p) == n and all(isinstance(one, Value) for one in p):
        return None
    got = digits(p) if p is None or isinstance(p, (list, tuple)) else f"{type(p).__name__} {digits(p)}"
    return _broken_softmax(case, f"a list of {n} Values", got)


def _sums(answer: Answer, case: Case, v: Formula) -> Broken | None:
    p = [one.data for one in answer["softmax"](case.values())]
    if abs(math.fsum(p) - 1) < 1e-9 and min(p) > 0:
        return None
    return _broken_softmax(case, "positive and sum to 1", f"{_numbers(p)}, sum {digits(math.fsum(p))}")


def _value(answer: Answer, case: Case, v: Formula) -> Broken | None:
    p = [one.data for one in answer["softmax"](case.values())]
    return _numbers_differ(case, p, v.softmax(case.logits))


def _shift(answer: Answer, case: Case, v: Formula) -> Broken | None:
    p, moved = ([one.data for one in answer["softmax"]([Value(x - c) for x in case.logits])] for c in (0.0, 3.0))
    if all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(p, moved, strict=True)):
        return None
    return _broken_softmax(Case(tuple(x - 3 for x in case.logits)), _numbers(p), _numbers(moved))


def _slopes(answer: Answer, case: Case, v: Formula) -> Broken | None:
    """Of each probability, one backward each."""
    for i in range(len(case.logits)):
        xs = case.values()
        answer["softmax"](xs)[i].backward()
        truth = _measured(lambda logits, i=i: v.softmax(logits)[i], case.logits)
        for j, (x, slope) in enumerate(zip(xs, truth, strict=True)):
            if not abs(x.grad - slope) < _CLOSE:
                return _broken_softmax(case, f"d p[{i}] / d x[{j}] = {digits(slope)}", digits(x.grad))
    return None


def _loss(answer: Answer, case: Case, v: Formula) -> Broken | None:
    loss = answer["cross_entropy"](case.values(), case.target)
    expected = v.loss(case.logits, case.target)
    if got := flaw(loss):
        return _broken_loss(case, f"a Value of {digits(expected)}, made from the logits", got)
    if math.isclose(loss.data, expected, rel_tol=1e-9, abs_tol=1e-12):
        return None
    return _broken_loss(case, digits(expected), digits(loss.data))


def _node(answer: Answer, case: Case, v: Formula) -> Broken | None:
    logits = case.values()
    made = _made(answer["cross_entropy"](logits, case.target), logits)
    return None if made == "one node" else _broken_loss(case, "one node on the logits", made)


def _loss_slopes(answer: Answer, case: Case, v: Formula) -> Broken | None:
    logits = case.values()
    answer["cross_entropy"](logits, case.target).backward()
    truth = _measured(lambda xs: v.loss(xs, case.target), case.logits)
    got = [x.grad for x in logits]
    if all(abs(a - b) < _CLOSE for a, b in zip(got, truth, strict=True)):
        return None
    return _broken_loss(case, f"slopes {_numbers(truth)}", _numbers(got))


def _balance(answer: Answer, case: Case, v: Formula) -> Broken | None:
    logits = case.values()
    answer["cross_entropy"](logits, case.target).backward()
    total = math.fsum(x.grad for x in logits)
    return None if abs(total) < 1e-9 else _broken_loss(case, "slopes that sum to 0", digits(total))


def _measured(f: Any, xs: Sequence[float]) -> list[float]:
    found = []
    for i in range(len(xs)):
        ends = [f([*xs[:i], xs[i] + h, *xs[i + 1 :]]) for h in (_NUDGE, -_NUDGE)]
        found.append((ends[0] - ends[1]) / (2 * _NUDGE))
    return found


def _numbers_differ(case: Case, got: list[float], expected: Sequence[float]) -> Broken | None:
    if all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(got, expected, strict=True)):
        return None
    return _broken_softmax(case, _numbers(expected), _numbers(got))


def _broken_softmax(case: Case, expected: str, got: str) -> Broken:
    return Broken(call=f"softmax({_numbers(case.logits)})", expected=expected, got=got)


def _broken_loss(case: Case, expected: str, got: str) -> Broken:
    return Broken(call=_call(case), expected=expected, got=got)


def _call(case: Case) -> str:
    return f"cross_entropy({_numbers(case.logits)}, {case.target})"


def _numbers(xs: Sequence[float]) -> str:
    return f"[{', '.join(map(digits, xs))}]"


def _made(loss: Any, logits: list[Value]) -> str:
    if not loss.parents:
        return "a node without parents"
    return "one node" if set(loss.parents) <= set(logits) else "several nodes"


def _observe(answer: Answer, case: Case, v: Formula) -> Observation:
    xs = case.values()
    p = answer["softmax"](xs)
    seen: dict[str, float | str]
    if not isinstance(p, Sequence) or not all(isinstance(one, Value) for one in p):
        seen = {"p": "plain numbers" if isinstance(p, Sequence) else digits(p)}
    else:
        seen = {f"p[{i}]": one.data for i, one in enumerate(p)}
        p[0].backward()
        seen |= {f"d p[0] / d x[{i}]": x.grad for i, x in enumerate(xs)}
    logits = case.values()
    loss = answer["cross_entropy"](logits, case.target)
    if got := flaw(loss):
        return seen | {"loss": got}
    seen |= {"loss": loss.data, "loss is made of": _made(loss, logits)}
    loss.backward()
    return seen | {f"d loss / d x[{i}]": x.grad for i, x in enumerate(logits)}


_SOFTMAX, _LOSS = ("list", "value"), ("loss",)
EXERCISE = Exercise(
    title="softmax and cross-entropy",
    file="softmax.py",
    asks=("softmax", "cross_entropy"),
    starter=_starter,
    variants={
        "plain": Formula(),
        "temperature 1/2": Formula(temperature=0.5),
        "temperature 0.7": Formula(temperature=0.7),
        "temperature 2": Formula(temperature=2.0),
        "temperature 3": Formula(temperature=3.0),
        "smoothing 0.1": Formula(smoothing=0.1),
        "smoothing 0.2": Formula(smoothing=0.2),
        "smoothing 0.3": Formula(smoothing=0.3),
        "temperature 2, smoothing 0.1": Formula(temperature=2.0, smoothing=0.1),
    },
    cases=_cases,
    call=lambda case: f"{_call(case)} and softmax of the same",
    laws=(
        Law(name="list", sentence="softmax gives a Value for each logit", holds=_list),
        Law(name="sum", sentence="every number is positive and they sum to 1", holds=_sums, needs=("list",)),
        Law(name="value", sentence="softmax is the formula", holds=_value, points=2, needs=("list",)),
        Law(
            name="shift",
            sentence="3 is taken from every x: nothing changes",
            holds=_shift,
            needs=_SOFTMAX,
        ),
        Law(
            name="large",
            sentence="... nor when they are large",
            holds=_value,
            points=2,
            needs=_SOFTMAX,
            cases=_large,
        ),
        Law(
            name="slope",
            sentence="the slopes of softmax are what nudging measures",
            holds=_slopes,
            points=2,
            needs=_SOFTMAX,
        ),
        Law(name="loss", sentence="cross_entropy is the formula", holds=_loss, points=2),
        Law(name="node", sentence="cross_entropy is one node on the logits", holds=_node, needs=_LOSS),
        Law(
            name="loss-slope",
            sentence="its slopes are what nudging measures",
            holds=_loss_slopes,
            points=3,
            needs=_LOSS,
        ),
        Law(name="balance", sentence="its slopes sum to 0", holds=_balance, needs=_LOSS),
        Law(
            name="loss-large",
            sentence="a large surprise is a large number, not an endless one",
            holds=_loss,
            points=2,
            needs=_LOSS,
            cases=_large,
        ),
    ),
    observe=_observe,
    right=RIGHT,
    wrong=WRONG,
    hints=(
        "What does softmax(x - c) equal? Which c makes the largest exponent 0? Is it a Value, or a plain number?",
        "cross_entropy: -log of a quotient is a difference of two logarithms. Which of them needs no exp at all?",
        "Its slopes: start from the plain case, p with 1 taken from one entry. Which one, and why is that negative?",
    ),
    project="nanochat.engine.scalar.functional:cross_entropy",
    allowed=("nanochat.engine.Value", "nanochat.engine.scalar.value.Value"),
)
