"""Exercise 9a: one step of training in three functions: move, clip, accumulate."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...exercise import Answer, Broken, Exercise, Observation, law
from ...judging import digits, raised
from .mistakes import MISTAKES, Part, Tensors, answer_with, clipped, gathered
from .rules import B1, B2, EPS, VARIANTS, Rule, Spelling

_CLOSE = 1e-9


@dataclass(frozen=True)
class Step:
    """What the three functions are tried on."""

    p: float
    gradients: tuple[float, ...]
    """One a step."""
    lr: float
    decay: float
    tensors: Tensors
    max_norm: float
    parts: tuple[Part, ...]

    def __str__(self) -> str:
        numbers = ", ".join(map(digits, self.gradients))
        return f"p = {self.p:g}, lr={self.lr:g}, decay={self.decay:g}, g = {numbers}"


def _starter(v: Rule) -> str:
    return f'''"""Exercise 9a: one step of training: a number moves, a gradient is clipped, parts become a whole.

    {v.formula()}

b1 = {B1:g}, b2 = {B2:g}, eps = {EPS:g}; m and v are 0 before the first step, which has t = 1.
Check it with:  nanochat learn check 9a
"""

import math


def update(p, g, m, v, t, *, lr, decay):
    """One number, its gradient, what is remembered of it, the step -> the new (p, m, v)"""
    ...


def clip(gradients, max_norm):
    """gradients, a list of numbers for each tensor -> (new gradients, norm), norm being that of all before clipping

    All are multiplied by max_norm / norm where the norm is larger than max_norm, else left as they are.
    """
    ...


def accumulate(parts):
    """parts, each (number of tokens, mean loss, gradient of the mean loss, a list) -> (loss, gradient) of all tokens"""
    ...
'''


def _cases(rng: random.Random, v: Rule) -> list[Step]:
    """First steps of 0.003 and -50, the norm of (3, 4), three tokens at 2 nats and one at 6: by hand."""
    parts: tuple[Part, ...] = ((3, 2.0, [1.0, 0.0]), (1, 6.0, [5.0, 4.0]))
    cases = [
        Step(1.0, (0.003,), 0.01, 0.0, [[3.0], [4.0]], 1.0, parts),
        Step(1.0, (-50.0, 2.0), 0.01, 0.1, [[0.3], [0.4]], 1.0, parts),
    ]
    for n in (3, 6):
        g = tuple(rng.choice((-1, 1)) * rng.randint(1, 30) / 10 for _ in range(n))
        tensors = [[rng.randint(-40, 40) / 10 + 0.05 for _ in range(size)] for size in (2, 3)]
        sizes = rng.sample(range(1, 9), 3)
        drawn = tuple((k, rng.randint(1, 60) / 10, [rng.randint(-30, 30) / 10 for _ in range(2)]) for k in sizes)
        cases.append(Step(rng.randint(5, 30) / 10, g, 0.1, 0.2, tensors, rng.choice((1.0, 2.0)), drawn))
    return cases


# **** laws


def _walk(update: Callable[..., Any], case: Step, factor: float = 1.0, decay: float | None = None) -> list[Any]:
    """(p, m, v) after each step."""
    p, m, v, found = case.p, 0.0, 0.0, []
    for t, g in enumerate(case.gradients, start=1):
        p, m, v = update(p, g * factor, m, v, t, lr=case.lr, decay=case.decay if decay is None else decay)
        found.append((p, m, v))
    return found


def _three(answer: Answer, case: Step, v: Rule) -> Broken | None:
    got = answer["update"](case.p, case.gradients[0], 0.0, 0.0, 1, lr=case.lr, decay=case.decay)
    if isinstance(got, (tuple, list)) and len(got) == 3 and all(isinstance(x, (int, float)) for x in got):
        return None
    return Broken(call=f"update, {case}", expected="three numbers: (p, m, v)", got=digits(got))


def _scale(answer: Answer, case: Step, v: Rule) -> Broken | None:
    """Without decay, and with gradients beside which eps is nothing."""
    if min(map(abs, case.gradients)) < 0.1:
        return None
    before, after = (_walk(answer["update"], case, factor, 0.0)[-1][0] for factor in (1.0, 1000.0))
    if abs(before - after) <= 1e-5 * case.lr:
        return None
    call = f"update, {case}, every g a thousand times as large, no decay"
    return Broken(call=call, expected=f"p = {digits(before)}, as before", got=digits(after))


def _value(answer: Answer, case: Step, v: Rule) -> Broken | None:
    got, expected = _walk(answer["update"], case), _walk(Spelling()(v), case)
    for t, (ours, theirs) in enumerate(zip(got, expected, strict=True), start=1):
        for name, x, y in zip("pmv", ours, theirs, strict=True):
            if not math.isclose(x, y, rel_tol=_CLOSE, abs_tol=1e-15):
                call = f"update, {case}: {name} after step {t}"
                return Broken(call=call, expected=digits(y), got=digits(x))
    return None


def _decay(answer: Answer, case: Step, v: Rule) -> Broken | None:
    if not case.decay:
        return None
    p = answer["update"](case.p, 0.0, 0.0, 0.0, 1, lr=case.lr, decay=case.decay)[0]
    if 0 < p < case.p:
        return None
    call = f"update, p = {case.p:g}, g = 0, decay={case.decay:g}"
    return Broken(call=call, expected=f"p between 0 and {case.p:g}", got=digits(p))


def _norm(answer: Answer, case: Step, v: Rule) -> Broken | None:
    got, expected = answer["clip"](_copy(case.tensors), case.max_norm), clipped(case.tensors, case.max_norm)
    call = f"clip({case.tensors}, {case.max_norm:g})"
    if not isinstance(got, (tuple, list)) or len(got) != 2:
        return Broken(call=call, expected="a pair: (gradients, norm)", got=digits(got))
    flat = [[x for row in rows for x in row] for rows in (got[0], expected[0])]
    is_equal = len(flat[0]) == len(flat[1]) and all(map(_close, *flat))
    if is_equal and _close(got[1], expected[1]):
        return None
    words = [f"{[[float(digits(x)) for x in row] for row in rows]}, {digits(norm)}" for rows, norm in (expected, got)]
    return Broken(call=call, expected=words[0], got=words[1])


def _whole(answer: Answer, case: Step, v: Rule) -> Broken | None:
    """As one batch of all tokens has it."""
    got, expected = answer["accumulate"](list(case.parts)), gathered(case.parts)
    call = f"accumulate({list(case.parts)})"
    if not isinstance(got, (tuple, list)) or len(got) != 2:
        return Broken(call=call, expected="a pair: (loss, gradient)", got=digits(got))
    if _close(got[0], expected[0]) and len(got[1]) == len(expected[1]) and all(map(_close, got[1], expected[1])):
        return None
    words = [f"{digits(loss)}, [{', '.join(map(digits, row))}]" for loss, row in (expected, got)]
    return Broken(call=call, expected=words[0], got=words[1])


def _close(x: float, y: float) -> bool:
    return math.isclose(x, y, rel_tol=_CLOSE, abs_tol=1e-12)


def _copy(tensors: Tensors) -> Tensors:
    return [list(row) for row in tensors]


def _observe(answer: Answer, case: Step, v: Rule) -> Observation:
    """Each function by itself: a file may have the first one and not yet the others."""
    found: dict[str, Any] = {}
    try:
        for t, three in enumerate(_walk(answer["update"], case), start=1):
            found |= {f"update: {name} after {t}": x for name, x in zip("pmv", three, strict=True)}
    except Exception as error:  # noqa: BLE001 (a student's code may raise anything)
        found["update"] = raised(error).split(" (line")[0]
    try:
        rows, norm = answer["clip"](_copy(case.tensors), case.max_norm)
        found |= {f"clip: {i}, {j}": x for i, row in enumerate(rows) for j, x in enumerate(row)} | {"clip: norm": norm}
    except Exception as error:  # noqa: BLE001
        found["clip"] = raised(error).split(" (line")[0]
    try:
        loss, gradient = answer["accumulate"](list(case.parts))
        found |= {f"accumulate: {i}": x for i, x in enumerate(gradient)} | {"accumulate: loss": loss}
    except Exception as error:  # noqa: BLE001
        found["accumulate"] = raised(error).split(" (line")[0]
    return found


# **** a second right answer


def _by_sums(v: Rule) -> Answer:
    """m and v as sums over all that was seen; clipping by a direction; every token by itself."""

    def update(
        p: float, g: float, m: float, v_: float, t: int, *, lr: float, decay: float
    ) -> tuple[float, float, float]:
        if not v.decoupled:
            g += decay * p
        m += (1 - B1) * (g - m)
        if v.second == "max":
            v_ = max(B2 * v_, abs(g))
            spread = v_ + EPS
        else:
            if v.second == "yogi":
                v_ += (1 - B2) * g * g * ((g * g > v_) - (g * g < v_))
            else:
                v_ += (1 - B2) * ((g - m if v.second == "belief" else g) ** 2 - v_)
            v_hat = v_ / (1 - B2**t)
            spread = (v_hat + EPS) ** 0.5 if v.eps_inside else v_hat**0.5 + EPS
        along = (B1 * m + (1 - B1) * g if v.nesterov else m) / (1 - B1**t)
        shrunk = p * (1 - lr * decay) if v.decoupled else p
        return shrunk - lr * along / spread, m, v_

    def clip(gradients: Tensors, max_norm: float) -> tuple[Tensors, float]:
        norm = math.hypot(*(x for row in gradients for x in row))
        return [[x / max(1.0, norm / max_norm) for x in row] for row in gradients], norm

    def accumulate(parts: Sequence[Part]) -> tuple[float, list[float]]:
        tokens = [(loss, gradient) for n, loss, gradient in parts for _ in range(n)]
        columns = zip(*(gradient for _, gradient in tokens), strict=True)
        return math.fsum(loss for loss, _ in tokens) / len(tokens), [math.fsum(c) / len(tokens) for c in columns]

    return answer_with(v, update, clip, accumulate)


EXERCISE = Exercise(
    title="a step of training",
    file="step.py",
    asks=("update", "clip", "accumulate"),
    starter=_starter,
    variants=VARIANTS,
    cases=_cases,
    call=str,
    laws=(
        law("three", "update gives three numbers", _three, 1),
        law("scale", "a thousand times as large a gradient moves as far (no decay)", _scale, 2, "three"),
        law("decay", "decay alone moves a number towards 0, and not past it", _decay, 1, "three"),
        law("value", "p, m and v are the formula's, step after step", _value, 4, "three"),
        law("clip", "one factor for all numbers, and only where they are too long", _norm, 3),
        law("whole", "parts of any sizes give what one batch of all tokens gives", _whole, 3),
    ),
    observe=_observe,
    right=(answer_with, _by_sums),
    wrong=MISTAKES,
    hints=(
        "Write the lines of the formula in their order; each is one line of Python. Return m and v, not the hats.",
        "clip: one sum over all numbers of all tensors, its root, one factor. What if the norm is small?",
        "accumulate: how many tokens are there in all, and how much of that is each part?",
    ),
    project="nanochat.engine.scalar.optim:Adam",
)
