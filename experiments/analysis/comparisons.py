"""One comparison, seed by seed: the difference, how sure it is, and a plain word for both."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from ..statistics.crossed import CrossedInterval
from ..statistics.intervals import Interval, mean, standard_deviation, t_interval
from ..statistics.joint import JointTest, scores_of
from ..statistics.significance import MOST_SEEDS, bootstrap_interval, least_seeds, paired_t_p, seeds_needed
from .summary import part

ALPHA = 0.05
Word = Literal[
    "better",
    "worse",
    "no difference seen",
    "too noisy",
    "undecided",
    "too few seeds",
    "identical",
    "not comparable",
]


@dataclass(frozen=True)
class Reach:
    """A mean difference, and the ends of the interval that holds at once with those of all other comparisons.

    Infinite ends: too few seeds for any interval that assumes no distribution.
    """

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Of the interval, which need not lie evenly about the mean; inf or nan where there is none."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One minus the other, in nats a token of final validation loss: below 0 is better."""

    variant: str
    tested: tuple[float, ...]
    """One a seed: the difference, inf where this one's run diverged, -inf where the other's did, nan without a pair."""
    n_pairs: int
    """Pairs of runs that both ended well."""
    n_planned: int
    """Pairs there would be, had every run been possible, made, and ended well."""
    reason: str = ""
    """How the runs ended that leave pairs incomplete."""
    contexts: tuple[float, ...] = ()
    """Of an axis (`effects`): the mean difference in each combination of the other axes."""
    on_text: CrossedInterval | None = None
    """The mean over seeds and blocks of text, for other text of the kind, too."""
    p_exact: float = math.nan
    """Of the sign-flip test of this comparison alone."""
    p_joint: float = math.nan
    """Corrected for all comparisons of the study; it decides. nan where looks decide."""
    least_p: float = math.nan
    """The least that so many pairs can give."""
    interval: Reach = Reach(math.nan, math.nan, math.nan)
    word: Word = "not comparable"
    within_margin: bool = False
    """Better or worse, and the whole interval lies within the margin: shown, and too small to care about."""
    seeds_needed: tuple[int, ...] = ()
    """With which the study could have said more, from and to; empty where it could, or where no number can say."""
    decided_at: int = 0
    """Seeds at the look that decided, or at the last one; 0 without looks."""

    @cached_property
    def differences(self) -> tuple[float, ...]:
        """One a seed, of the seeds with a pair of runs that both ended well."""
        return tuple(x for x in self.tested if math.isfinite(x))

    @property
    def by_ranks(self) -> bool:
        """A run diverged, so that the signed ranks decided."""
        return any(math.isinf(x) for x in self.tested)

    @property
    def t_interval(self) -> Interval:
        """Mean and 95 % t interval of this comparison alone."""
        return t_interval(self.differences)

    @property
    def p_t(self) -> float:
        """Of the paired t-test."""
        return paired_t_p(self.differences)

    @property
    def bootstrap(self) -> tuple[float, float]:
        """95 % interval of the mean by resampling, always the same."""
        return bootstrap_interval(self.differences)

    @property
    def pairs(self) -> str:
        """`8`, or `7 of 8` where one is left out."""
        return part(self.n_pairs, self.n_planned)

    @property
    def verdict(self) -> str:
        """The word, what it lacks, and what was left out: `too few seeds (needs 6 seeds)`, `better (7 of 8 pairs)`."""
        if self.word == "not comparable":
            return self.reason
        remarks = []
        if self.seeds_needed:
            remarks.append(f"needs {self.needed}")
        if self.within_margin:
            remarks.append("less than the margin")
        remarks += self.left_out
        if self.by_ranks:
            remarks.append("by signed ranks")
        if self.decided_at:
            remarks.append(f"after {self.decided_at} seeds")
        return f"{self.word} ({'; '.join(remarks)})" if remarks else self.word

    @property
    def shown(self) -> int:
        """The sign of the difference that the test shows, 0 for none."""
        return (self.word == "worse") - (self.word == "better")

    @property
    def needed(self) -> str:
        """`6 seeds`, `38 to 150 seeds for the margin`, `1,000 seeds or more for the margin`."""
        ends = [f"{n:,}" for n in dict.fromkeys(self.seeds_needed)]
        text = f"{' to '.join(ends)} seeds" + (" or more" if self.seeds_needed[-1] >= MOST_SEEDS else "")
        return text + (" for the margin" if self.word == "too noisy" else "")

    @property
    def left_out(self) -> list[str]:
        """What the pairs lack: `7 of 8 pairs`, `1 of 8 diverged`; empty if nothing."""
        found = []
        if self.n_pairs < self.n_planned:
            found.append(f"{self.pairs} pairs")
        if self.reason:
            found.append(self.reason)
        return found


def judged(one: Comparison, test: JointTest, j: int, *, n_asked: int, margin: float) -> Comparison:
    """With what the joint test says of column j, and the word.

    better or worse: p of the family is at most 0.05. Otherwise, if the interval of the family lies within +- margin
    nats, no difference seen; if not, too noisy, with the seeds that it takes to see one of `margin`. Too few seeds
    where the test could not have said anything else. What is identical asks no question.
    """
    center = mean(one.differences)
    one = replace(
        one,
        p_exact=float(test.p[j]),
        p_joint=float(test.p_joint[j]),
        least_p=float(test.least_p[j]),
        interval=Reach(center, float(test.low[j]), float(test.high[j])),
    )
    n = sum(not math.isnan(x) for x in one.tested)
    if n == 0:
        return one
    if not any(one.tested):
        return replace(one, word="identical")
    inside = -margin < one.interval.low and one.interval.high < margin
    if one.p_joint <= ALPHA:
        return replace(one, word=direction(one), within_margin=inside)
    if n < least_seeds():
        return replace(one, word="too few seeds", seeds_needed=(least_seeds(),))
    if inside:
        return replace(one, word="no difference seen")
    return replace(one, word="too noisy", seeds_needed=_for_the_margin(one, n_asked, margin))


def direction(one: Comparison) -> Word:
    """The word for a difference that is shown."""
    scores = scores_of(np.array(one.tested)[:, None])
    return "better" if np.nansum(scores) < 0 else "worse"


def _for_the_margin(one: Comparison, n_asked: int, margin: float) -> tuple[int, ...]:
    """Seeds that see a difference of the margin with a chance of 80 %, from and to: by the ends of the 95 % interval of
    the standard deviation. The difference that was seen is no guide to the true one (Hoenig and Heisey 2001)."""
    sd, n = standard_deviation(one.differences), len(one.differences)
    if not sd > 0:
        return ()
    ends = (sd * math.sqrt((n - 1) / _chi_squared(z, n - 1)) for z in (1.96, -1.96))
    return tuple(max(least_seeds(), seeds_needed(margin / end, comparisons=n_asked, alpha=ALPHA)) for end in ends)


def _chi_squared(z: float, df: int) -> float:
    """The quantile of chi squared at that of the normal distribution (Wilson and Hilferty 1931), within 1 % or 0.05."""
    return max(0.05, df * (1 - 2 / (9 * df) + z * math.sqrt(2 / (9 * df))) ** 3)
