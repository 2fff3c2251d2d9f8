"""Each variant against the baseline, seed by seed: the difference, how sure it is, and a plain word for both."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from .axes import read
from .cells import CellResult
from .grid import variant_name
from .significance import bootstrap_interval, holm, least_seeds, paired_t_p, seeds_needed, sign_flip_p
from .statistics import Interval, mean, standard_deviation, t_interval
from .study import Study

ALPHA = 0.05
Word = Literal["better", "worse", "no difference seen", "too noisy", "too few seeds", "identical", "not comparable"]


@dataclass(frozen=True)
class Comparison:
    """A variant minus the baseline, in nats a token of final validation loss: below 0 is better."""

    variant: str
    differences: tuple[float, ...]
    """One a seed that ended well in both."""
    p_t: float
    """Of the paired t-test."""
    p_exact: float
    """Of the sign-flip test, which decides."""
    p_holm: float
    """p_exact corrected for all comparisons of the study."""
    word: Word
    seeds_needed: int = 0
    """With which the study could have told; 0 where it could, or where no number can say."""
    reason: str = ""
    """Why it is not comparable."""

    @property
    def interval(self) -> Interval:
        """Mean and 95 % t interval."""
        return t_interval(self.differences)

    @property
    def bootstrap(self) -> tuple[float, float]:
        """95 % interval of the mean by resampling, always the same."""
        return bootstrap_interval(self.differences)

    @property
    def verdict(self) -> str:
        """The word, and the number of seeds that would be needed where there were not enough."""
        if self.reason:
            return self.reason
        return f"{self.word} (needs {self.seeds_needed} seeds)" if self.seeds_needed else self.word


def compare(study: Study) -> list[Comparison]:
    """Every variant but the baseline, in the order of the grid."""
    by_variant = {name: _by_seed(study, name) for name in study.config.variants}
    baseline = by_variant.pop(study.config.baseline)
    found = [_measure(name, results, baseline) for name, results in by_variant.items()]
    return judge(found, margin=study.config.margin)


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


def _judge(one: Comparison, n_asked: int, margin: float) -> Comparison:
    n, interval = len(one.differences), one.interval
    if one.reason:
        return one
    if not any(one.differences):
        return replace(one, word="identical")
    if n < least_seeds(n_asked, ALPHA):
        return replace(one, word="too few seeds", seeds_needed=least_seeds(n_asked, ALPHA))
    if one.p_holm <= ALPHA:
        return replace(one, word="better" if interval.mean < 0 else "worse")
    if -margin < interval.low and interval.high < margin:
        return replace(one, word="no difference seen")
    effect = max(margin, abs(interval.mean)) / standard_deviation(one.differences)
    needed = seeds_needed(effect, comparisons=n_asked, alpha=ALPHA)
    return replace(one, word="too noisy", seeds_needed=max(needed, n + 1))


def _measure(name: str, results: dict[int, CellResult], baseline: dict[int, CellResult]) -> Comparison:
    pairs = [seed for seed in sorted(baseline) if seed in results]
    sound = [seed for seed in pairs if baseline[seed].is_ok and results[seed].is_ok]
    differences = tuple(results[seed].record.val_loss - baseline[seed].record.val_loss for seed in sound)
    bad = [results[seed].record.status for seed in pairs if not results[seed].is_ok]
    reason = ""
    if bad:
        status = "diverged" if "ok" in bad else bad[0]  # "ok" with a loss that is no number
        reason = f"{status} ({len(bad)} of {len(pairs)})"
    elif len(sound) < len(pairs):
        reason = "the baseline did not end well"
    elif not pairs:
        reason = "not run"
    word: Word = "not comparable" if reason else "too few seeds"
    p_t, p_exact = (math.nan, math.nan) if reason else (paired_t_p(differences), sign_flip_p(differences))
    return Comparison(name, differences, p_t, p_exact, math.nan, word, reason=reason)


def _by_seed(study: Study, variant: str) -> dict[int, CellResult]:
    return {result.cell.config.seed: result for result in study.results if result.cell.variant == variant}


def effects(study: Study) -> list[Comparison]:
    """What each value of an axis does on average over the other axes, against the axis's first value, seed by seed.

    A difference is the mean over all pairs of variants that differ in this axis only and ended well with every seed;
    empty for a study of one axis, or of single changes, which compare() says already.
    """
    config = study.config
    if len(config.axes) < 2 or config.design != "grid":
        return []
    sound = {name: _by_seed(study, name) for name in config.variants}
    sound = {name: found for name, found in sound.items() if found and all(one.is_ok for one in found.values())}
    places = {tuple(read(config.variants[name], path) for path in config.axes): found for name, found in sound.items()}
    found = []
    for i, (path, values) in enumerate(config.axes.items()):
        for value in values[1:]:
            moved = {place: (*place[:i], values[0], *place[i + 1 :]) for place in places if place[i] == value}
            pairs = [(places[there], places[place]) for place, there in moved.items() if there in places]
            found.append(_average(variant_name({path: value}), pairs))
    return judge(found, margin=config.margin)


def _average(name: str, pairs: list[tuple[dict[int, CellResult], dict[int, CellResult]]]) -> Comparison:
    seeds = sorted(set.intersection(*(set(a) & set(b) for a, b in pairs))) if pairs else []
    differences = tuple(mean([b[seed].record.val_loss - a[seed].record.val_loss for a, b in pairs]) for seed in seeds)
    if not differences:
        return Comparison(name, (), math.nan, math.nan, math.nan, "not comparable", reason="no pair of runs to compare")
    return Comparison(name, differences, paired_t_p(differences), sign_flip_p(differences), math.nan, "too few seeds")
