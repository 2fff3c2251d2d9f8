"""Intervals and verdicts of exercise 12a, and known wrong answers, beside the right spelling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Literal

from ....experiments.statistics.intervals import t_quantile
from ...exercise import Answer, Wrong

Measure = Literal["difference", "ratio", "relative"]
Ends = tuple[float, float]


@dataclass(frozen=True)
class Plan:
    """What is measured of each pair of runs, and how sure the interval is to be."""

    measure: Measure
    level: float

    def of(self, a: float, b: float) -> float:
        """One pair's number: a is the baseline's loss, b the variant's."""
        if self.measure == "ratio":
            return math.log(b / a)
        return (b - a) / a if self.measure == "relative" else b - a


@dataclass(frozen=True)
class _Spelling:
    """The right one; each field is a place where a mistake goes in."""

    paired: bool = True
    sign: float = 1.0
    ddof: int = 1
    root: bool = True
    error: Literal["of the mean", "of one"] = "of the mean"
    quantile: Callable[[float, int], float] = lambda level, n: t_quantile((1 + level) / 2, n - 1)
    ends: bool = False
    """Lowest and highest of the differences."""

    def __call__(self, v: Plan) -> Callable[[Sequence[float], Sequence[float]], Ends]:
        def paired_interval(a: Sequence[float], b: Sequence[float]) -> Ends:
            d = [self.sign * v.of(x, y) for x, y in zip(a, b, strict=True)]
            if self.ends:
                return min(d), max(d)
            n, center = len(d), math.fsum(d) / len(d)
            if self.paired:
                variance = self._variance(d)
            else:
                base = math.fsum(a) / n if v.measure == "relative" else 1.0
                sides = ([math.log(x) if v.measure == "ratio" else x / base for x in side] for side in (a, b))
                variance = sum(self._variance(side) for side in sides)
            spread = math.sqrt(variance) if self.root else variance
            half = self.quantile(v.level, n) * spread / (math.sqrt(n) if self.error == "of the mean" else 1.0)
            return center - half, center + half

        return paired_interval

    def _variance(self, d: Sequence[float]) -> float:
        center = math.fsum(d) / len(d)
        return math.fsum((x - center) ** 2 for x in d) / (len(d) - self.ddof)


def verdict(low: float, high: float, margin: float) -> str:
    """In a word."""
    if high < 0 or low > 0:
        return "better" if high < 0 else "worse"
    return "the same" if -margin <= low and high <= margin else "open"


_RIGHT = _Spelling()
Decide = Callable[[float, float, float], str]


def answer_with(v: Plan, interval: Callable[..., Any] | None = None, decide: Decide = verdict) -> Answer:
    """A right answer but for what is given."""
    return {"paired_interval": interval or _RIGHT(v), "decide": decide}


def _with(**changed: Any) -> Callable[[Plan], Answer]:
    spelled = replace(_RIGHT, **changed)
    return lambda v: answer_with(v, spelled(v))


def _as(**changed: Any) -> Callable[[Plan], Answer]:
    """The right spelling of another plan."""
    return lambda v: answer_with(v, _RIGHT(replace(v, **changed)))


def _deciding(decide: Decide) -> Callable[[Plan], Answer]:
    return lambda v: answer_with(v, decide=decide)


def _by_the_middle(low: float, high: float, margin: float) -> str:
    middle = (low + high) / 2
    return "the same" if abs(middle) <= margin else "better" if middle < 0 else "worse"


def _middle_within(low: float, high: float, margin: float) -> str:
    word = verdict(low, high, 0.0)
    return word if word != "open" else "the same" if abs(low + high) / 2 <= margin else "open"


def _best_against_best(v: Plan) -> Answer:
    """The lowest losses of both sides, as if they were a pair."""

    def paired_interval(a: Sequence[float], b: Sequence[float]) -> Ends:
        low, high = _RIGHT(v)(a, b)
        half, center = (high - low) / 2, v.of(min(a), min(b))
        return center - half, center + half

    return answer_with(v, paired_interval)


def _ratio_of_means(v: Plan) -> Answer:
    def paired_interval(a: Sequence[float], b: Sequence[float]) -> Ends:
        low, high = _RIGHT(replace(v, measure="difference"))(a, b)
        base = math.fsum(a) / len(a)
        return low / base, high / base

    return answer_with(v, paired_interval)


_OTHERWISE = {"better": "worse", "worse": "better"}
MISTAKES = (
    *(
        Wrong(
            name=name,
            answer=_with(quantile=quantile),
            sentence="the quantile is the normal distribution's (1.96 for 95 %): the spread is itself estimated from a "
            "few seeds, and with five of them that gives 12 % false alarms in place of 5 %.",
        )
        for name, quantile in (
            ("normal quantile", lambda level, n: NormalDist().inv_cdf((1 + level) / 2)),
            ("1.96", lambda level, n: 1.96),
        )
    ),
    Wrong(
        name="unpaired",
        answer=_with(paired=False),
        sentence="the two sides were treated as strangers: runs of one seed share their data and first weights, and "
        "the spread of their differences is much smaller. You would miss real differences.",
    ),
    Wrong(
        name="divided by n",
        answer=_with(ddof=0),
        sentence="the variance is divided by n: the mean was estimated from the same numbers, so it is n - 1.",
    ),
    Wrong(
        name="spread of one",
        answer=_with(error="of one"),
        sentence="that is how far single differences scatter: their mean scatters less, by the root of n.",
    ),
    Wrong(
        name="no root",
        answer=_with(root=False),
        sentence="the variance stands where its root belongs: nats squared are no nats.",
    ),
    Wrong(
        name="n degrees of freedom",
        answer=_with(quantile=lambda level, n: t_quantile((1 + level) / 2, n)),
        sentence="the quantile has n degrees of freedom: one is spent on the mean.",
    ),
    Wrong(
        name="one side",
        answer=_with(quantile=lambda level, n: t_quantile(level, n - 1)),
        sentence="the quantile leaves all that may go wrong on one side: an interval has two ends, so half of it lies "
        "beyond each.",
    ),
    Wrong(
        name="the other sign",
        answer=_with(sign=-1.0),
        sentence="the sign is turned round: the baseline is taken from the variant, so below 0 is better.",
    ),
    Wrong(
        name="another level",
        answer=lambda v: answer_with(v, _RIGHT(replace(v, level=0.99 if v.level == 0.95 else 0.95))),
        sentence="that interval has another level of confidence.",
    ),
    Wrong(
        name="plain difference",
        answer=_as(measure="difference"),
        sentence="plain differences were taken: the formula has another number for each pair.",
        applies=lambda v: v.measure != "difference",
    ),
    Wrong(
        name="by the mean",
        answer=_ratio_of_means,
        sentence="differences were divided by the mean of the baseline: each by its own.",
        applies=lambda v: v.measure == "relative",
    ),
    Wrong(
        name="from lowest to highest",
        answer=_with(ends=True),
        sentence="that is the range of what was seen: more seeds would make it wider, where an interval for the mean "
        "gets narrower.",
    ),
    Wrong(
        name="best against best",
        answer=_best_against_best,
        sentence="the best run of each side was compared: of ten equals the best is 1.5 spreads above the mean, and "
        "whoever tries more seeds wins.",
    ),
    Wrong(
        name="by the middle",
        answer=_deciding(_by_the_middle),
        sentence="decide looks at the middle of the interval: then it was measured in vain. Its ends say what is sure.",
    ),
    Wrong(
        name="the middle within the margin",
        answer=_deciding(_middle_within),
        sentence="the middle of the interval was held against the margin: it is the same only where both ends lie "
        "within.",
    ),
    Wrong(
        name="0 inside is the same",
        answer=_deciding(lambda low, high, margin: "better" if high < 0 else "worse" if low > 0 else "the same"),
        sentence="an interval that holds 0 may hold much else: not to have seen a difference is not to have seen that "
        "there is none. Unless it fits into the margin, it is open.",
    ),
    Wrong(
        name="never the same",
        answer=_deciding(lambda low, high, margin: "better" if high < 0 else "worse" if low > 0 else "open"),
        sentence="an interval that lies within the margin says something: whatever the difference is, it is too small "
        "to matter.",
    ),
    Wrong(
        name="higher is better",
        answer=_deciding(lambda low, high, margin: _OTHERWISE.get(word := verdict(low, high, margin), word)),
        sentence="better and worse have changed places: these are losses, and lower is better.",
    ),
    Wrong(
        name="margin first",
        answer=_deciding(
            lambda low, high, margin: "the same" if -margin <= low and high <= margin else verdict(low, high, 0.0)
        ),
        sentence="an interval within the margin that does not hold 0 was called the same: it is small and sure, so say "
        "which way it goes.",
    ),
    Wrong(
        name="beyond the margin",
        answer=_deciding(
            lambda low, high, margin: (
                "better"
                if high < -margin
                else "worse"
                if low > margin
                else "the same"
                if -margin <= low and high <= margin
                else "open"
            )
        ),
        sentence="a difference was asked to be larger than the margin: better is every interval below 0.",
    ),
)
