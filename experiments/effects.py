"""What each axis of a study does on average over the others. Of one change at a time comparisons.py says it already."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from .axes import read
from .comparisons import Comparison, judge, tested
from .grid import variant_name
from .statistics import mean
from .study import Study


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
        if result.is_ok
    }
    found = []
    for i, (path, values) in enumerate(config.axes.items()):
        n_planned = math.prod(map(len, config.axes.values())) // len(values) * config.seeds
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
