"""Milestone 1, exercise 4c: the student's own engine trains the bigram near the counts."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ....engine.scalar.value import Value
from ...exercise import Answer, Broken, Exercise, Law, Observation, Wrong
from ...judging import digits
from .pairs import Counting, Table, counts, drawn

Counts = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Run:
    """What train is called with."""

    seen: Counts
    steps: int
    lr: float

    def __str__(self) -> str:
        return f"train({[list(row) for row in self.seen]}, {self.steps}, {self.lr:g})"


_STARTER = '''"""Milestone 1, exercise 4c: your own engine trains a language model.

Copy your class Number from exercise 2a over the one below. Then write `train`: a table of logits, one Number for every
pair, all 0 at first. Each step computes

    loss = sum over a, b of N(a, b) / N * (ln(sum over c of exp z[a][c]) - z[a][b]),    N = all pairs

with your Numbers, calls backward() on it, and moves every logit by -lr times its gradient.

Check it with:  nanochat learn check 4c
"""

import math


class Number:
    ...


def train(counts, steps, lr):
    """counts: V rows of N(a, b) -> the logits after so many steps: V rows of V plain floats"""
    ...
'''


def _cases(rng: random.Random, v: Counting) -> list[Run]:
    by_hand = Run(((0, 1, 0), (1, 0, 1), (0, 1, 1)), 1, 1.0)  # `.abba.`
    return [by_hand, Run(by_hand.seen, 2, 1.0), Run(_seen(rng, v, 3), 3, 2.0), Run(_seen(rng, v, 4), 3, 0.5)]


def _long(rng: random.Random, v: Counting) -> list[Run]:
    return [Run(_seen(rng, v, 4), 60, 4.0)]


def _seen(rng: random.Random, v: Counting, size: int) -> Counts:
    return counts(v, drawn(rng, 6, size), size)


# **** laws


def _engine(answer: Answer, case: Run, v: Counting) -> Broken | None:
    """Every operation that the loss needs, and a Number that is used twice."""
    number = answer["Number"]
    x, y = number(0.5), number(2.0)
    z = ((x * y + y).exp() + x).log() - y * 3.0
    z.backward()
    e = math.exp(3.0)
    expected = (math.log(e + 0.5) - 6.0, (2 * e + 1) / (e + 0.5), 1.5 * e / (e + 0.5) - 3)
    got = (z.data, x.grad, y.grad)
    if all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(got, expected, strict=True)):
        return None
    call = "z = ((x * y + y).exp() + x).log() - y * 3.0, x = 0.5, y = 2"
    words = ["z {}, slopes {} and {}".format(*map(digits, three)) for three in (expected, got)]
    return Broken(call=call, expected=words[0], got=words[1])


def _table(answer: Answer, case: Run, v: Counting) -> Broken | None:
    got, size = answer["train"](case.seen, case.steps, case.lr), len(case.seen)
    is_table = isinstance(got, (list, tuple)) and [len(row) for row in got] == [size] * size
    others = [x for row in got for x in row if not isinstance(x, (int, float))] if is_table else []
    if is_table and not others:
        return None
    found = f"a table with a {type(others[0]).__name__} in it" if others else digits(got)
    return Broken(call=str(case), expected=f"{size} rows of {size} plain numbers", got=found)


def _descent(answer: Answer, case: Run, v: Counting) -> Broken | None:
    got, expected = answer["train"](case.seen, case.steps, case.lr), descended(case.seen, case.steps, case.lr)
    for a, rows in enumerate(zip(got, expected, strict=True)):
        for b, (x, y) in enumerate(zip(*rows, strict=True)):
            if not math.isclose(x, y, rel_tol=1e-7, abs_tol=1e-9):
                return Broken(call=f"{case}[{a}][{b}]", expected=digits(y), got=digits(x))
    return None


def _near(answer: Answer, case: Run, v: Counting) -> Broken | None:
    got = nats_of(case.seen, answer["train"](case.seen, case.steps, case.lr))
    best = nats_of(case.seen, [[math.log(n) if n else -1e3 for n in row] for row in case.seen])
    if best - 1e-9 <= got <= best + 0.1:
        return None
    said = f"{digits(best)} nats, what counting costs, or up to 0.1 more"
    return Broken(call=f"the loss after {case}", expected=said, got=digits(got))


def _softmax(row: Sequence[float]) -> list[float]:
    exps = [math.exp(z - max(row)) for z in row]
    return [e / math.fsum(exps) for e in exps]


def nats_of(seen: Counts, logits: Table) -> float:
    total = sum(map(sum, seen))
    return math.fsum(
        -n / total * math.log(p)
        for row, z in zip(seen, logits, strict=True)
        for n, p in zip(row, _softmax(z), strict=True)
        if n
    )


def _yours(answer: Answer, case: Run, v: Counting) -> Broken | None:
    n = _calls(answer, case)[1]
    if n >= case.steps:
        return None
    said = f"{case.steps} calls of backward() of your Number, one a step"
    return Broken(call=str(case), expected=said, got=f"{n} calls")


def _calls(answer: Answer, case: Run) -> tuple[Table, int]:
    """The table, and how often backward() of a Number was called for it."""
    number, n_calls = answer["Number"], 0
    backward = number.backward

    def counted(self: Any) -> None:
        nonlocal n_calls
        n_calls += 1
        backward(self)

    number.backward = counted
    try:
        return answer["train"](case.seen, case.steps, case.lr), n_calls
    finally:
        number.backward = backward


def _observe(answer: Answer, case: Run, v: Counting) -> Observation:
    got, n_calls = _calls(answer, case)
    z = {f"z[{a}][{b}]": x for a, row in enumerate(got) for b, x in enumerate(row)}
    plain = {label: "a Number" if isinstance(x, answer["Number"]) else x for label, x in z.items()}
    return plain | {"backward calls": n_calls}


# **** right and wrong


def descended(seen: Counts, steps: int, lr: float) -> Table:
    """The logits without a graph: the slope of z[a][b] is (N(a) p(b | a) - N(a, b)) / N."""
    total = sum(map(sum, seen))
    z = [[0.0 for _ in row] for row in seen]
    for _ in range(steps):
        z = [
            [x - lr * (sum(row) * p - n) / total for x, p, n in zip(z_a, _softmax(z_a), row, strict=True)]
            for z_a, row in zip(z, seen, strict=True)
        ]
    return z


def _downhill(x: float, g: float, lr: float) -> tuple[float, float]:
    return x - lr * g, 0.0


def _trained(
    number: Any,
    seen: Counts,
    steps: int,
    lr: float,
    *,
    update: Callable[[float, float, float], tuple[float, float]] = _downhill,
    mean: bool = True,
) -> Table:
    """By an engine; update(logit, gradient, lr) -> (logit, gradient that the next step begins with)."""
    total = sum(map(sum, seen)) if mean else 1
    z = [[number(0.0) for _ in row] for row in seen]
    for _ in range(steps):
        loss = number(0.0)
        for row, logits in zip(seen, z, strict=True):
            log_sum = sum((x.exp() for x in logits[1:]), logits[0].exp()).log()
            for n, x in zip(row, logits, strict=True):
                loss = loss + (log_sum - x) * (n / total)
        loss.backward()
        for x in (x for logits in z for x in logits):
            x.data, x.grad = update(x.data, x.grad, lr)
    return [[x.data for x in logits] for logits in z]


def _answer(**changed: Any) -> Callable[[Counting], Answer]:
    return _with(lambda engine, seen, steps, lr: _trained(engine, seen, steps, lr, **changed))


def _of_a_tape(v: Counting) -> Answer:
    return {"Number": _Tape, "train": lambda seen, steps, lr: _trained(_Tape, seen, steps, lr)}


def _with(train: Callable[..., Table]) -> Callable[[Counting], Answer]:
    """By the project's engine."""
    return lambda v: {"Number": Value, "train": lambda *words: train(Value, *words)}


class _Tape:
    """A second engine: every result puts its way back on a list."""

    tape: list[Callable[[], None]] = []  # noqa: RUF012 (one for all, as a tape is)

    def __init__(self, data: float) -> None:
        self.data, self.grad = float(data), 0.0

    def _result(self, data: float, *parents: tuple[_Tape, float]) -> _Tape:
        out = _Tape(data)

        def back() -> None:
            for parent, slope in parents:
                parent.grad += slope * out.grad

        self.tape.append(back)
        return out

    def __add__(self, other: Any) -> _Tape:
        other = other if isinstance(other, _Tape) else _Tape(other)
        return self._result(self.data + other.data, (self, 1.0), (other, 1.0))

    def __mul__(self, other: Any) -> _Tape:
        other = other if isinstance(other, _Tape) else _Tape(other)
        return self._result(self.data * other.data, (self, other.data), (other, self.data))

    def __sub__(self, other: Any) -> _Tape:
        return self + other * -1.0

    def exp(self) -> _Tape:
        y = math.exp(self.data)
        return self._result(y, (self, y))

    def log(self) -> _Tape:
        return self._result(math.log(self.data), (self, 1 / self.data))

    def backward(self) -> None:
        self.grad = 1.0
        while self.tape:
            self.tape.pop()()


EXERCISE = Exercise(
    title="milestone 1, your engine trains the bigram",
    file="milestone.py",
    asks=("Number", "train"),
    starter=lambda v: _STARTER,
    variants={"letters": Counting(), "every other letter": Counting(step=2), "from the right": Counting(step=-1)},
    cases=_cases,
    call=str,
    laws=(
        Law(name="engine", sentence="your Number knows + - * exp log and their slopes", holds=_engine, points=2),
        Law(name="table", sentence="train gives a table of plain numbers", holds=_table),
        Law(
            name="descent",
            sentence="every step goes downhill by lr times the slope",
            holds=_descent,
            points=3,
            needs=("table",),
        ),
        Law(name="yours", sentence="it is your Number that finds the slopes", holds=_yours, needs=("table",)),
        Law(
            name="near",
            sentence="after 60 steps the loss is near that of counting, and not below",
            holds=_near,
            points=4,
            needs=("engine", "table"),
            cases=_long,
        ),
    ),
    observe=_observe,
    right=(_answer(), _of_a_tape),
    wrong=(
        Wrong(
            name="not zeroed",
            answer=_answer(update=lambda x, g, lr: (x - lr * g, g)),
            sentence="gradients add: the second step went by its own slope and the first one's. Zero them before each.",
        ),
        Wrong(
            name="uphill",
            answer=_answer(update=lambda x, g, lr: (x + lr * g, 0.0)),
            sentence="you climb: the slope says where the loss grows, and the step goes the other way.",
        ),
        Wrong(
            name="no rate",
            answer=_answer(update=lambda x, g, lr: (x - g, 0.0)),
            sentence="the steps are as long as the slope, whatever lr says.",
        ),
        Wrong(
            name="sum for mean",
            answer=_answer(mean=False),
            sentence="that is the sum over the pairs: its steps are N times too long. Divide by all pairs.",
        ),
        Wrong(
            name="one step",
            answer=_with(lambda engine, seen, steps, lr: _trained(engine, seen, 1, lr * steps)),
            sentence="the slopes were measured once and used for every step: the graph has to be built anew each time.",
        ),
        Wrong(
            name="probabilities",
            answer=_with(lambda engine, seen, steps, lr: [_softmax(row) for row in _trained(engine, seen, steps, lr)]),
            sentence="these are probabilities; the logits are asked for, from which softmax makes them.",
        ),
        Wrong(
            name="Numbers",
            answer=_with(
                lambda engine, *words: [[engine(x) for x in row] for row in _trained(engine, *words)],
            ),
            sentence="the table holds your Numbers; the plain numbers inside them are asked for. And a step moves the "
            "logit's own number: written as an expression of Numbers, it would grow into the next step's graph.",
        ),
        Wrong(
            name="by hand",
            answer=_with(lambda engine, seen, steps, lr: descended(seen, steps, lr)),
            sentence="the numbers are right, and your Number had no part in them: build the loss from it and let "
            "backward() find the slopes.",
        ),
    ),
    hints=(
        "Build the loss from Numbers alone: add up the exp of a row, take log, subtract the logit, times N(a, b) / N.",
        "loss.backward() fills .grad of every logit; then data -= lr * grad, and grad = 0 before the next step.",
        "For `.abba.` the first slope of z[1] is (2/3 - 1, 2/3, 2/3 - 1) / 5: print yours after one step.",
    ),
    project="nanochat.models.bigram.scalar:Bigram",
)
