"""Exercise 12a: an interval for a paired difference, and what may be said by it."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

from ....experiments.statistics.intervals import t_interval
from ...exercise import Answer, Broken, Exercise, Law, Observation, law
from ...judging import digits, raised
from .mistakes import MISTAKES, Measure, Plan, answer_with, verdict

_N_NULL = 300
"""Studies in which nothing is true."""
_MARGIN = 0.01
_INTERVALS = ((-0.05, -0.02), (0.02, 0.03), (-0.004, 0.006), (-0.03, 0.004), (-0.002, 0.05), (-0.03, 0.04))
_SMALL = ((-0.006, -0.001), (0.002, 0.009), (-0.015, -0.005), (0.004, 0.02))
"""Sure, and within the margin or across its edge."""


@dataclass(frozen=True)
class Losses:
    """Validation losses of baseline and variant, seed by seed."""

    a: tuple[float, ...]
    b: tuple[float, ...]

    def __str__(self) -> str:
        a, b = (", ".join(map(digits, side)) for side in (self.a, self.b))
        return f"paired_interval([{a}], [{b}])"


_FORMULAS: dict[Measure, str] = {
    "difference": "b[i] - a[i]",
    "ratio": "ln(b[i] / a[i])",
    "relative": "(b[i] - a[i]) / a[i]",
}
_NAMES: dict[str, Measure] = {"difference": "difference", "logarithm of the ratio": "ratio", "relative": "relative"}
VARIANTS = {
    f"{name}, {level:.0%}": Plan(measure, level) for name, measure in _NAMES.items() for level in (0.9, 0.95, 0.99)
}


def _starter(v: Plan) -> str:
    return f'''"""Exercise 12a: is the variant better? a and b are validation losses; a[i] and b[i] have the same seed.

    d[i] = {_FORMULAS[v.measure]}
    the interval for the mean of d, with a confidence of {v.level:g}:
        mean +- t * s / sqrt(n),    s^2 = sum of (d[i] - mean)^2 / (n - 1)

t_quantile(p, df) is the t below which a share p of Student's distribution with df degrees of freedom lies.
Check it with:  nanochat learn check 12a
"""

import math

from nanochat.experiments.statistics.intervals import t_quantile


def paired_interval(a, b):
    """Two lists of losses, n >= 2 -> (low, high)"""
    ...


def decide(low, high, margin):
    """A word for the interval of a difference of losses, of which those up to margin do not matter

    "better"     all of it is below 0
    "worse"      all of it is above 0
    "the same"   neither, and all of it lies from -margin to margin
    "open"       else: more seeds would be needed
    """
    ...
'''


def _cases(rng: random.Random, v: Plan) -> list[Losses]:
    """Five differences whose mean is 0.03 and whose spread is 0.0158: by hand. Then what seeds do."""
    by_hand = Losses((2.0, 2.1, 2.2, 2.1, 2.0), (2.05, 2.12, 2.23, 2.14, 2.02))
    return [by_hand, *(_drawn(rng, n) for n in (2, 4, 8))]


def _drawn(rng: random.Random, n: int) -> Losses:
    """Seeds differ by 0.2 nats, variants of one seed by a tenth of that."""
    seeds = [2.2 + rng.uniform(-0.2, 0.2) for _ in range(n)]
    shift = rng.uniform(-0.02, 0.02)
    a, b = ([round(x + more + rng.gauss(0, 0.015), 4) for x in seeds] for more in (0.0, shift))
    return Losses(tuple(a), tuple(b))


# **** laws


def _run(answer: Answer, a: tuple[float, ...], b: tuple[float, ...]) -> Any:
    return answer["paired_interval"](list(a), list(b))


def _ends(answer: Answer, case: Losses, v: Plan) -> Broken | None:
    got = _run(answer, case.a, case.b)
    is_pair = isinstance(got, (tuple, list)) and len(got) == 2 and all(isinstance(x, (int, float)) for x in got)
    if is_pair and got[0] <= got[1]:
        return None
    return Broken(call=str(case), expected="(low, high)", got=digits(got))


def _paired(answer: Answer, case: Losses, v: Plan) -> Broken | None:
    """What a seed does to both of its runs is no news."""
    moved = []
    for side in (case.a, case.b):
        if v.measure == "difference":
            moved.append(tuple(x + 0.5 * i for i, x in enumerate(side)))
        else:
            moved.append(tuple(x * (1 + 0.5 * i) for i, x in enumerate(side)))
    before, after = _run(answer, case.a, case.b), _run(answer, *moved)
    if all(math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-9) for x, y in zip(before, after, strict=True)):
        return None
    what = "seed i adds i / 2 to both" if v.measure == "difference" else "seed i multiplies both by 1 + i / 2"
    said = f"({', '.join(map(digits, before))}), as before"
    return Broken(call=f"{case}, {what}", expected=said, got=f"({', '.join(map(digits, after))})")


def _value(answer: Answer, case: Losses, v: Plan) -> Broken | None:
    found = t_interval([v.of(x, y) for x, y in zip(case.a, case.b, strict=True)], v.level)
    got = _run(answer, case.a, case.b)
    if all(math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12) for x, y in zip(got, (found.low, found.high), strict=True)):
        return None
    words = [f"({digits(low)}, {digits(high)})" for low, high in ((found.low, found.high), got)]
    return Broken(call=str(case), expected=words[0], got=words[1])


def _coverage(answer: Answer, seed: int, v: Plan) -> Broken | None:
    """Studies of five seeds in which both sides are the same: how often does the interval miss 0?"""
    rng, missed = random.Random(seed), 0
    for _ in range(_N_NULL):
        seeds = [2.2 + rng.gauss(0, 0.1) for _ in range(5)]
        a, b = (tuple(x + rng.gauss(0, 0.02) for x in seeds) for _ in range(2))
        low, high = _run(answer, a, b)
        missed += not low <= 0 <= high
    share = 1 - v.level
    most = share * _N_NULL + 5.5 * math.sqrt(_N_NULL * share * (1 - share))
    if missed <= most:
        return None
    said = f"about {share * _N_NULL:.0f} false alarms, {most:.0f} at most"
    return Broken(call=f"{_N_NULL} studies in which nothing is true", expected=said, got=f"{missed}")


def _words(answer: Answer, case: tuple[float, float], v: Plan) -> Broken | None:
    got, expected = answer["decide"](*case, _MARGIN), verdict(*case, _MARGIN)
    if got == expected:
        return None
    return Broken(call=f"decide({case[0]:g}, {case[1]:g}, {_MARGIN:g})", expected=repr(expected), got=digits(got))


def _observe(answer: Answer, case: Any, v: Plan) -> Observation:
    """Each function by itself: a file may have the first one and not yet the second."""
    found: dict[str, Any] = {}
    if isinstance(case, Losses):
        try:
            found |= dict(zip(("low", "high"), _run(answer, case.a, case.b), strict=True))
        except Exception as error:  # noqa: BLE001 (a student's code may raise anything)
            found["interval"] = raised(error).split(":")[0]
    for low, high in (*_INTERVALS, *_SMALL):
        try:
            found[f"decide({low:g}, {high:g})"] = digits(answer["decide"](low, high, _MARGIN))
        except Exception as error:  # noqa: BLE001
            found["decide"] = raised(error).split(":")[0]
    return found


# **** a second right answer


def _by_sums(v: Plan) -> Answer:
    """By the project's interval; the verdict from the product of the ends."""

    def paired_interval(a: list[float], b: list[float]) -> tuple[float, float]:
        d = [v.of(x, y) for x, y in zip(a, b, strict=True)]
        found = t_interval(d, v.level)
        return found.mean - found.half_width, found.mean + found.half_width

    def decide(low: float, high: float, margin: float) -> str:
        if low * high > 0:
            return "worse" if low > 0 else "better"
        return "the same" if max(-low, high) <= margin else "open"

    return answer_with(v, paired_interval, decide)


EXERCISE = Exercise(
    title="an interval and a verdict",
    file="interval.py",
    asks=("paired_interval", "decide"),
    starter=_starter,
    variants=VARIANTS,
    cases=_cases,
    call=lambda case: str(case) if isinstance(case, Losses) else f"decide or interval of {case}",
    laws=(
        law("ends", "two numbers come back, the lower one first", _ends, 1),
        law("paired", "what a seed does to both of its runs changes nothing", _paired, 2, "ends"),
        law("value", "the interval is the formula's", _value, 3, "ends"),
        Law(
            name="coverage",
            sentence="where nothing is true, alarms are as rare as the confidence says",
            holds=_coverage,
            points=2,
            needs=("ends",),
            cases=lambda rng, v: [rng.randrange(1000)],
        ),
        Law(
            name="words",
            sentence="decide says what the interval says, and no more",
            holds=_words,
            points=3,
            cases=lambda rng, v: [*_INTERVALS, *_SMALL],
        ),
    ),
    observe=_observe,
    right=(answer_with, _by_sums),
    wrong=MISTAKES,
    hints=(
        "One list d first, a number a seed. Everything after that knows nothing of a and b.",
        "t_quantile((1 + confidence) / 2, n - 1): half of what may go wrong lies beyond each end.",
        "decide: look at the two ends in the order of the four words.",
    ),
    project="nanochat.experiments.statistics.intervals:t_interval",
    allowed=("nanochat.experiments.statistics.intervals.t_quantile",),
)
