"""All questions that a study asks, answered by one test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..ablation.looks import losses_by_seed, minus, plan_of
from ..ablation.study import Study
from ..statistics.crossed import CrossedInterval, crossed_interval
from ..statistics.intervals import mean
from ..statistics.joint import all_pairs, best_set, joint_test
from ..statistics.sequential import decide
from .comparisons import Comparison, Reach, Word, direction, judged
from .effects import effects, interactions
from .summary import VariantSummary, blocks_of

_LESS = 0.7
"""Weight of what nobody asked first, interactions and pairs without the baseline: with it the variants keep nearly all
of their power (docs/decisions.md), and in the last steps of the test it counts no more."""
_MOST_PAIRED = 40
"""Of more variants no pairs are formed, which would be thousands."""


@dataclass(frozen=True)
class Conclusions:
    """What the family of a study's comparisons shows."""

    comparisons: tuple[Comparison, ...]
    """Every variant but the baseline with it, in the order of the grid."""
    effects: tuple[Comparison, ...]
    interactions: tuple[Comparison, ...]
    best: tuple[str, ...]
    """Variants that none is shown to beat, in the order of the grid; the best is one of them. Empty where that was not
    asked: few seeds, many variants, or looks."""


def conclude(study: Study, summaries: Sequence[VariantSummary]) -> Conclusions:
    """One joint test of variants, axes, interactions and pairs; or, where looks are planned, what these decide."""
    config = study.config
    found = {result.cell.key: result for result in study.results}
    losses = losses_by_seed(config, found, config.seeds)
    by_name = {summary.name: summary for summary in summaries}
    variants = [
        _compared(by_name[name], by_name[config.baseline], minus(losses[:, j], losses[:, 0]))
        for j, name in enumerate(config.variants)
        if j
    ]
    if config.looks:
        return Conclusions(tuple(_by_looks(study, variants)), (), (), ())
    axes = effects(study)
    rows = [*variants, *axes, *interactions(study)]
    columns = [np.array(one.tested) for one in rows]
    pairs, of_pairs = all_pairs(losses if losses.shape[1] <= _MOST_PAIRED else losses[:, :0])
    with_baseline = sum(first == 0 for first, _ in of_pairs)  # they come first, and are the variants' comparisons
    columns += list(pairs[:, with_baseline:].T)
    weights = np.full(len(columns), _LESS)
    first, second, last = len(variants), len(variants) + len(axes), len(rows)
    weights[:second] = 1.0
    family = np.array(columns).reshape(len(columns), config.seeds).T
    test = joint_test(family, n_intervals=last, weights=weights)
    n_asked = max(1, int(np.sum(~np.isnan(test.p_joint[:last]))))
    rows = [judged(one, test, j, n_asked=n_asked, margin=config.margin) for j, one in enumerate(rows)]
    p_pairs = np.concatenate([test.p_joint[:with_baseline], test.p_joint[last:]])
    best = _best(list(config.variants), losses, of_pairs, pairs, p_pairs)
    return Conclusions(tuple(rows[:first]), tuple(rows[first:second]), tuple(rows[second:]), best)


def _compared(one: VariantSummary, baseline: VariantSummary, column: np.ndarray) -> Comparison:
    reasons = []
    if one.ending:
        reasons.append(one.ending)
    if baseline.ending:
        reasons.append(f"baseline: {baseline.ending}")
    if np.isnan(column).all() and not reasons:
        reasons.append(
            "not run"
            if not one.results
            else "the baseline is not run"
            if not baseline.results
            else "no seed is run in both"
        )
    return Comparison(
        variant=one.name,
        tested=tuple(column.tolist()),
        n_pairs=int(np.isfinite(column).sum()),
        n_planned=len(column),
        reason="; ".join(reasons),
        on_text=_on_text(one, baseline),
    )


def _on_text(one: VariantSummary, baseline: VariantSummary) -> CrossedInterval | None:
    ours = {result.cell.config.seed: result for result in one.ok}
    theirs = {result.cell.config.seed: result for result in baseline.ok}
    seeds = sorted(ours.keys() & theirs.keys())
    first, second = blocks_of([ours[seed] for seed in seeds]), blocks_of([theirs[seed] for seed in seeds])
    if first is None or second is None or first.shape != second.shape:
        return None
    return crossed_interval(first - second)


def _by_looks(study: Study, variants: Sequence[Comparison]) -> list[Comparison]:
    """The words of the looks that were taken."""
    config, plan = study.config, plan_of(study.config)
    n = max(config.looked, default=0)
    decision = decide(np.array([one.tested[:n] for one in variants]).reshape(len(variants), n).T, plan)
    rows = []
    for j, one in enumerate(variants):
        verdict, n_seeds = decision.verdicts[j], decision.n_seeds[j]
        reach = Reach(mean(one.differences), float(decision.low[j]), float(decision.high[j]))
        word: Word = "undecided"
        if all(map(math.isnan, one.tested)):
            word = "not comparable"
        elif not any(x for x in one.tested if not math.isnan(x)):
            word = "identical"
        elif verdict != "open":
            word = direction(one) if verdict == "different" else "no difference seen"
        inside = verdict == "different" and -config.margin < reach.low and reach.high < config.margin
        found = replace(one, interval=reach, word=word, within_margin=inside)
        rows.append(replace(found, decided_at=n_seeds, n_planned=n_seeds))
    return rows


def _best(
    names: list[str], losses: np.ndarray, of_pairs: list[tuple[int, int]], pairs: np.ndarray, p_pairs: np.ndarray
) -> tuple[str, ...]:
    """Of the variants with a run, those that none is shown to beat; nothing where nothing is shown of any."""
    is_run = ~np.isnan(losses).all(0)
    if not of_pairs or not np.any(p_pairs <= 0.05):
        return ()
    kept = best_set(len(names), of_pairs, pairs, p_pairs) & is_run
    return tuple(name for name, is_kept in zip(names, kept, strict=True) if is_kept)
