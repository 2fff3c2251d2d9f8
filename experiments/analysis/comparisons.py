"""Each variant against the baseline, seed by seed: the difference, how sure it is, and a plain word for both."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from ..ablation.axes import read
from ..ablation.grid import AblationConfig, variant_name
from ..ablation.study import Study
from ..statistics.intervals import Interval, mean, standard_deviation, t_interval
from ..statistics.significance import (
    MOST_SEEDS,
    bootstrap_interval,
    holm,
    least_seeds,
    paired_t_p,
    seeds_needed,
    sign_flip_p,
)
from .summary import VariantSummary, part

ALPHA = 0.05
Word = Literal["better", "worse", "no difference seen", "too noisy", "too few seeds", "identical", "not comparable"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A variant minus the baseline, in nats a token of final validation loss: below 0 is better."""

    variant: str
    differences: tuple[float, ...]
    """One a seed, of the seeds with a pair of runs that both ended well."""
    n_pairs: int
    """Pairs of runs that the differences are made of."""
    n_planned: int
    """Pairs there would be, had every run been possible, made, and ended well."""
    p_t: float
    """Of the paired t-test."""
    p_exact: float
    """Of the sign-flip test, which decides."""
    p_holm: float = math.nan
    """p_exact corrected for all comparisons of the study."""
    word: Word = "not comparable"
    within_margin: bool = False
    """Better or worse, and the whole interval lies within the margin: shown, and too small to care about."""
    seeds_needed: int = 0
    """With which the study could have found it; 0 where it could, or where no number can say."""
    reason: str = ""
    """How the runs ended that leave pairs incomplete."""
    contexts: tuple[float, ...] = ()
    """Of an axis (`effects`): the mean difference in each combination of the other axes."""

    @cached_property
    def interval(self) -> Interval:
        """Mean and 95 % t interval."""
        return t_interval(self.differences)

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
        return f"{self.word} ({'; '.join(remarks)})" if remarks else self.word

    @property
    def needed(self) -> str:
        """`7 seeds`, `1,000 seeds or more`."""
        return f"{self.seeds_needed:,} seeds" + (" or more" if self.seeds_needed >= MOST_SEEDS else "")

    @property
    def left_out(self) -> list[str]:
        """What the pairs lack: `7 of 8 pairs`, `1 of 8 diverged`; empty if nothing."""
        found = []
        if self.n_pairs < self.n_planned:
            found.append(f"{self.pairs} pairs")
        if self.reason:
            found.append(self.reason)
        return found


def compare(summaries: Sequence[VariantSummary], config: AblationConfig) -> list[Comparison]:
    """Every variant but the baseline, in the order of the grid.

    A pair is two runs with the same seed that both ended well. Where one did not, or is not run yet, the pair is left
    out, and the comparison says so: it is of the seeds with which both end well.
    """
    by_name = {summary.name: summary for summary in summaries}
    baseline = by_name[config.baseline]
    others = [by_name[name] for name in config.variants if name != baseline.name]
    return judge([_measure(one, baseline, config.seeds_of(one.name)) for one in others], margin=config.margin)


def judge(comparisons: list[Comparison], *, margin: float) -> list[Comparison]:
    """The words, which depend on how many questions the study asks.

    significant after Holm: better or worse. Otherwise, if the 95 % interval lies within +- margin nats, no difference
    seen; if not, too noisy, with the seeds that it takes to settle the difference seen, or one of `margin`. Too few
    seeds where the exact test could not have said anything else. What is identical asks no question, and makes the
    others' no harder.
    """
    corrected = holm([one.p_exact if any(one.differences) else math.nan for one in comparisons])
    n_asked = max(1, sum(not math.isnan(p) for p in corrected))
    return [_judge(replace(one, p_holm=p), n_asked, margin) for one, p in zip(comparisons, corrected, strict=True)]


def tested(variant: str, differences: tuple[float, ...], **fields: Any) -> Comparison:
    """A comparison with its tests, for judge() to correct and put into words."""
    p_t, p_exact = paired_t_p(differences), sign_flip_p(differences)
    return Comparison(variant=variant, differences=differences, p_t=p_t, p_exact=p_exact, **fields)


def _judge(one: Comparison, n_asked: int, margin: float) -> Comparison:
    n, interval = len(one.differences), one.interval
    if n == 0:
        return one
    if not any(one.differences):
        return replace(one, word="identical")
    within_margin = -margin < interval.low and interval.high < margin
    if one.p_holm <= ALPHA:
        return replace(one, word="better" if interval.mean < 0 else "worse", within_margin=within_margin)
    if n < least_seeds(n_asked, ALPHA):
        return replace(one, word="too few seeds", seeds_needed=least_seeds(n_asked, ALPHA))
    if within_margin:
        return replace(one, word="no difference seen")
    effect = max(margin, abs(interval.mean)) / standard_deviation(one.differences)
    needed = seeds_needed(effect, comparisons=n_asked, alpha=ALPHA)
    return replace(one, word="too noisy", seeds_needed=max(needed, n + 1))


def _measure(one: VariantSummary, baseline: VariantSummary, n_seeds: int) -> Comparison:
    ours, theirs = _losses(one), _losses(baseline)
    differences = tuple(ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys()))
    reasons = []
    if one.ending:
        reasons.append(one.ending)
    if baseline.ending:
        reasons.append(f"baseline: {baseline.ending}")
    if not differences and not reasons:
        reasons.append("not run" if not ours else "the baseline is not run" if not theirs else "no seed is run in both")
    n = len(differences)
    return tested(one.name, differences, n_pairs=n, n_planned=n_seeds, reason="; ".join(reasons))


def _losses(summary: VariantSummary) -> dict[int, float]:
    return {result.cell.config.seed: result.record.val_loss for result in summary.ok}


def effects(study: Study) -> list[Comparison]:
    """Each value of an axis against the axis's first value; empty for a study of one axis, or of single changes.

    A pair is two runs that ended well and differ in this axis only: the same seed, the same values of all other axes.
    Every such pair counts. A seed's difference is the mean over its pairs, and the seeds' differences are judged like
    a variant's. n_planned is of the whole grid: a combination that cannot be, was not drawn, is not run yet or did
    not end well leaves its pair out.
    """
    config = study.config
    if len(config.axes) < 2 or config.design != "grid":
        return []
    losses = {
        (tuple(read(result.cell.config, path) for path in config.axes), result.cell.config.seed): result.record.val_loss
        for result in study.results
        if result.is_ok and result.cell.variant not in config.explicit
    }
    found = []
    for i, (path, values) in enumerate(config.axes.items()):
        n_planned = math.prod(map(len, config.axes.values())) // len(values) * config.seeds_of(config.baseline)
        found += [_effect(variant_name({path: v}), losses, (i, values[0], v), n_planned) for v in values[1:]]
    return judge(found, margin=config.margin)


def _effect(
    name: str, losses: dict[tuple[tuple[Any, ...], int], float], change: tuple[int, Any, Any], n_planned: int
) -> Comparison:
    """`change`: which axis, from which value, to which. A place is a combination of values, an entry an axis."""
    i, first, value = change
    by_seed: dict[int, list[float]] = defaultdict(list)
    by_place: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for (place, seed), loss in losses.items():
        if place[i] != value:
            continue
        without = losses.get(((*place[:i], first, *place[i + 1 :]), seed))
        if without is not None:
            by_seed[seed].append(loss - without)
            by_place[place].append(loss - without)
    differences = tuple(mean(by_seed[seed]) for seed in sorted(by_seed))
    reason = "" if differences else "no pair of runs to compare"
    n_pairs = sum(map(len, by_seed.values()))
    contexts = tuple(map(mean, by_place.values()))
    return tested(name, differences, n_pairs=n_pairs, n_planned=n_planned, reason=reason, contexts=contexts)
