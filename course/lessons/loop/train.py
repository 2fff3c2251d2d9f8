"""Exercise 9b: the loop itself, around functions that are given: what comes when, and what stops it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...exercise import Answer, Broken, Exercise, Law, Observation, Wrong, law
from ...judging import digits
from .spelling import RIGHT, Guard, Numbers, Result, part_by_part, spelled, whole_batches


@dataclass(frozen=True)
class Run:
    """A valley whose bottom each batch puts elsewhere: it is (tokens, target), its loss half the square distance."""

    weights: tuple[float, ...]
    batches: tuple[tuple[int, tuple[float, ...]], ...]
    steps: int
    micro: int
    max_norm: float
    falls: bool
    """lr of step s is 0.5 / (s + 1), else 0.5."""

    def __str__(self) -> str:
        rate = "0.5 / (step + 1)" if self.falls else "0.5"
        return (
            f"train({list(self.weights)}, ..., steps={self.steps}, micro={self.micro}, max_norm={self.max_norm:g}), "
            f"lr {rate}, batches {[list(target) for _, target in self.batches]}"
        )

    def given(self) -> dict[str, Any]:
        """What train is called with beside the weights."""
        return {
            "batch_at": lambda i: self.batches[i % len(self.batches)],
            "loss_and_gradient": _valley,
            "lr_at": lambda step: 0.5 / (step + 1) if self.falls else 0.5,
            "steps": self.steps,
            "micro": self.micro,
            "max_norm": self.max_norm,
        }


def _valley(weights: Sequence[float], batch: tuple[int, tuple[float, ...]]) -> tuple[int, float, Numbers]:
    """(tokens, loss, gradient)"""
    tokens, target = batch
    away = [w - x for w, x in zip(weights, target, strict=True)]
    return tokens, sum(x * x for x in away) / 2, away


def _starter(v: Guard) -> str:
    return f'''"""Exercise 9b: the loop of training.

In each of `steps` steps, counted from 0:
    the next `micro` batches are taken (batch_at(0), batch_at(1), ... over the whole run)
    loss and gradient of all their tokens are measured, with the weights as they are
    if the loss is not finite (nan or infinite): {v.words}
    the gradient is clipped: where its norm is above max_norm, it is scaled down to it
    the loss is kept, and every weight moves by -lr_at(step) times its gradient

Check it with:  nanochat learn check 9b
"""

import math


def train(weights, batch_at, loss_and_gradient, lr_at, *, steps, micro, max_norm):
    """loss_and_gradient(weights, batch) -> (tokens, mean loss, gradient)

    weights, a list of numbers, is not changed -> (new weights, the list of losses, one a step)
    """
    ...
'''


def _cases(rng: random.Random, v: Guard) -> list[Run]:
    by_hand = Run((4.0,), ((1, (0.0,)),), 2, 1, 100.0, falls=False)

    def drawn(n: int, **settings: Any) -> Run:
        batches = tuple((k, (rng.randint(-30, 30) / 10, rng.randint(-30, 30) / 10)) for k in rng.sample(range(1, 9), n))
        return Run((rng.randint(1, 40) / 10, -2.5), batches, **settings)

    return [
        by_hand,
        drawn(5, steps=3, micro=1, max_norm=100.0, falls=True),
        drawn(7, steps=3, micro=3, max_norm=100.0, falls=True),
        drawn(6, steps=4, micro=2, max_norm=0.5, falls=False),
    ]


def _bad(rng: random.Random, v: Guard) -> list[Run]:
    """The third of four steps meets a target that is no number, or infinite."""
    runs = []
    for bad in (math.nan, math.inf):
        batches = tuple((2, (rng.randint(1, 30) / 10, 1.5)) for _ in range(3))
        runs.append(Run((1.0, 2.0), (*batches[:2], (2, (bad, 0.0)), batches[2]), 4, 1, 10.0, falls=False))
    return runs


# **** laws


def _run(answer: Answer, case: Run) -> Result:
    weights, losses = answer["train"](list(case.weights), **case.given())
    return list(weights), list(losses)


def _pair(answer: Answer, case: Run, v: Guard) -> Broken | None:
    got = answer["train"](list(case.weights), **case.given())
    if isinstance(got, (tuple, list)) and len(got) == 2 and all(isinstance(one, (list, tuple)) for one in got):
        return None
    return Broken(call=str(case), expected="two lists: (weights, losses)", got=digits(got))


def _value(answer: Answer, case: Run, v: Guard) -> Broken | None:
    got, expected = _run(answer, case), RIGHT(v)["train"](list(case.weights), **case.given())
    for name, ours, theirs in zip(("losses", "weights"), reversed(got), reversed(expected), strict=True):
        if len(ours) != len(theirs):
            return Broken(call=str(case), expected=f"{len(theirs)} {name}", got=str(len(ours)))
        for i, (x, y) in enumerate(zip(ours, theirs, strict=True)):
            if not (math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12) or (x != x and y != y)):
                return Broken(call=f"{case}: {name}[{i}]", expected=digits(y), got=digits(x))
    return None


def _short(answer: Answer, case: Run, v: Guard) -> Broken | None:
    """No step is longer than lr times max_norm."""
    got = _run(answer, case)[0]
    moved = math.hypot(*(x - y for x, y in zip(got, case.weights, strict=True)))
    most = sum(case.given()["lr_at"](step) for step in range(case.steps)) * case.max_norm
    if moved <= most * (1 + 1e-9):
        return None
    said = f"the weights moved by {digits(most)} at most, the sum of lr times max_norm"
    return Broken(call=str(case), expected=said, got=digits(moved))


def _finite(answer: Answer, case: Run, v: Guard) -> Broken | None:
    got = _run(answer, case)[0]
    if all(map(math.isfinite, got)):
        return None
    return Broken(call=str(case), expected="weights that are numbers", got=f"[{', '.join(map(digits, got))}]")


def _untouched(answer: Answer, case: Run, v: Guard) -> Broken | None:
    given = list(case.weights)
    answer["train"](given, **case.given())
    if given == list(case.weights):
        return None
    return Broken(call=str(case), expected=f"the list that was given, as it was: {list(case.weights)}", got=f"{given}")


def _observe(answer: Answer, case: Run, v: Guard) -> Observation:
    given = list(case.weights)
    weights, losses = answer["train"](given, **case.given())
    found: dict[str, Any] = {"n losses": len(losses), "given": "kept" if given == list(case.weights) else "changed"}
    found |= {f"loss {i}": x for i, x in enumerate(losses)}
    return found | {f"weight {i}": x for i, x in enumerate(weights)}


EXERCISE = Exercise(
    title="the loop itself",
    file="train.py",
    asks=("train",),
    starter=_starter,
    variants={"it ends": Guard(goes_on=False), "it goes on": Guard(goes_on=True)},
    cases=_cases,
    call=str,
    laws=(
        law("pair", "weights and losses come back", _pair, 1),
        law("short", "no step is longer than lr times max_norm", _short, 2, "pair"),
        law("value", "every loss and every weight is that of the loop above", _value, 4, "pair"),
        law("untouched", "the list of weights that was given is as it was", _untouched, 1, "pair"),
        Law(
            name="finite",
            sentence="a batch without a finite loss leaves the weights finite",
            holds=_finite,
            points=2,
            needs=("pair",),
            cases=_bad,
        ),
        Law(
            name="guard",
            sentence="... and the loop does what is asked then",
            holds=_value,
            needs=("finite", "value"),
            cases=_bad,
        ),
    ),
    observe=_observe,
    right=(RIGHT, whole_batches),
    wrong=(
        Wrong(
            name="not zeroed",
            answer=spelled(keeps_gradient=True),
            sentence="gradients of the step before are still in this one's: zero them first.",
        ),
        *(
            Wrong(
                name=f"a step for each part, {which} loss",
                answer=part_by_part(kept),
                sentence="the weights moved after every batch: the `micro` batches of a step are one batch in parts, "
                "and move the weights once.",
            )
            for which, kept in (("first", 0), ("last", -1))
        ),
        Wrong(
            name="mean of means",
            answer=spelled(weighs=False),
            sentence="every part weighs the same: weigh each by its tokens, the loss and the gradient.",
        ),
        Wrong(
            name="no clipping",
            answer=spelled(clips="never"),
            sentence="the gradient is not clipped: one odd batch may move the weights as far as it likes.",
        ),
        Wrong(
            name="parts clipped",
            answer=spelled(clips="parts"),
            sentence="each part was clipped by itself: the norm of the whole gradient is what is held.",
        ),
        Wrong(
            name="rate of the next step",
            answer=spelled(rate=lambda step, micro: step + 1),
            sentence="the rate is that of the next step: steps count from 0.",
        ),
        Wrong(
            name="rate by batches",
            answer=spelled(rate=lambda step, micro: step * micro + micro - 1),
            sentence="the rate was asked for by the number of the batch: a schedule counts steps, and would end early.",
        ),
        Wrong(
            name="the same batches",
            answer=spelled(number=lambda step, micro, part: part),
            sentence="every step took the same batches: they are numbered over the whole run.",
        ),
        Wrong(
            name="batches by step",
            answer=spelled(number=lambda step, micro, part: step + part),
            sentence="steps share batches: step s begins at batch s * micro.",
        ),
        Wrong(
            name="no guard",
            answer=spelled(guards="never"),
            sentence="a loss that is not finite moved the weights: they are nan now, and all was in vain.",
        ),
        Wrong(
            name="guard too late",
            answer=spelled(guards="after"),
            sentence="the guard looks after the step: the weights have moved by then.",
            applies=lambda v: not v.goes_on,
        ),
        Wrong(
            name="the other guard",
            answer=lambda v: RIGHT(Guard(goes_on=not v.goes_on)),
            sentence="a loss that is not finite was noticed, and the loop did something else than is asked: read what "
            "happens in that step.",
        ),
        Wrong(
            name="loss after the step",
            answer=spelled(loss_after=True),
            sentence="the loss was measured after the step: the one kept is that of which the gradient was taken.",
        ),
        Wrong(
            name="in place",
            answer=spelled(in_place=True),
            sentence="the list that was given was changed: make a new one, somebody may still need the first weights.",
        ),
    ),
    hints=(
        "One step by hand, with one batch and no clipping: w = 4, target 0, lr 0.5. The loss is 8, the new weight 2.",
        "Order: all parts with the same weights, their weighted mean, the guard, clipping, the move.",
        "Batch i of step s is batch_at(s * micro + i); the rate is lr_at(s).",
    ),
    project="nanochat.training.trainer:train_steps",
)
