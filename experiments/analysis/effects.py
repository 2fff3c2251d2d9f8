"""What a grid says of its axes: each value on average over the others, and whether one axis depends on another."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

from ..ablation.axes import read
from ..ablation.cells import compared_loss
from ..ablation.grid import variant_name
from ..ablation.study import Study
from ..statistics.intervals import mean
from .comparisons import Comparison

Losses = dict[tuple[tuple[Any, ...], int], float]
"""(values of all axes, seed) -> final loss, inf where the run diverged."""


def effects(study: Study) -> list[Comparison]:
    """Each value of an axis against the axis's first value; empty for a study of one axis, or of single changes.

    A pair is two runs that ended well and differ in this axis only: the same seed, the same values of all other axes.
    Every such pair counts. A seed's difference is the mean over its pairs; where more of one side diverged than of the
    other, it is infinite. n_planned is of the whole grid: a combination that cannot be, was not drawn, is not run yet
    or did not end well leaves its pair out.
    """
    config = study.config
    if not is_grid(study):
        return []
    losses, found = _losses(study), []
    for i, (path, values) in enumerate(config.axes.items()):
        n_planned = math.prod(map(len, config.axes.values())) // len(values) * config.seeds_of(config.baseline)
        found += [_effect(study, {path: v}, losses, (i, values[0], v), n_planned) for v in values[1:]]
    return found


def interactions(study: Study) -> list[Comparison]:
    """For each two axes, and a value of each: by how much the one's effect is another beside the other's value.

    (both) - (one alone) - (other alone) + (neither), a seed's mean over the values of the other axes; 0 where effects
    add up. Four runs that ended well make one, here called a pair.
    """
    if not is_grid(study):
        return []
    losses, found, axes = _losses(study), [], list(study.config.axes.items())
    for (i, (path, values)), (j, (other, others)) in combinations(enumerate(axes), 2):
        n_planned = math.prod(len(v) for _, v in axes) // len(values) // len(others) * study.config.seeds
        for a, b in product(values[1:], others[1:]):
            by_seed: dict[int, list[float]] = defaultdict(list)
            for seed, value in _contrasts(losses, (i, values[0], a), (j, others[0], b)):
                by_seed[seed].append(value)
            found.append(
                Comparison(
                    variant=f"{variant_name({path: a})} × {variant_name({other: b})}",
                    tested=tuple(mean(by_seed.get(seed, [])) for seed in _seeds(study)),
                    n_pairs=sum(map(len, by_seed.values())),
                    n_planned=n_planned,
                    reason="" if by_seed else "no four runs to compare",
                )
            )
    return found


def is_grid(study: Study) -> bool:
    """It has axes whose combinations were run, all with the same seeds."""
    config = study.config
    return len(config.axes) > 1 and config.design == "grid" and not config.looks


def _losses(study: Study) -> Losses:
    """Of the grid's own variants, not of those that are spelled out."""
    paths, loss_of = tuple(study.config.axes), compared_loss(study.results)
    return {
        (tuple(read(result.cell.config, path) for path in paths), result.cell.config.seed): (
            loss_of(result) if result.is_ok else math.inf
        )
        for result in study.results
        if result.is_finished and result.cell.variant not in study.config.explicit
    }


def _seeds(study: Study) -> range:
    """Of the study, in the order in which all its comparisons have them."""
    first = study.config.base.seed
    return range(first, first + study.config.seeds)


def _effect(
    study: Study, setting: dict[str, Any], losses: Losses, change: tuple[int, Any, Any], n_planned: int
) -> Comparison:
    """`change`: which axis, from which value, to which. A place is a combination of values, an entry an axis."""
    i, first, value = change
    by_seed: dict[int, list[float]] = defaultdict(list)
    by_place: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    diverged: dict[int, int] = defaultdict(int)
    for (place, seed), loss in losses.items():
        without = losses.get(((*place[:i], first, *place[i + 1 :]), seed))
        if place[i] != value or without is None:
            continue
        if math.isfinite(loss) and math.isfinite(without):
            by_seed[seed].append(loss - without)
            by_place[place].append(loss - without)
        diverged[seed] += math.isinf(loss) - math.isinf(without)
    tested = tuple(_of_seed(by_seed[seed], diverged[seed]) for seed in _seeds(study))
    return Comparison(
        variant=variant_name(setting),
        tested=tested,
        n_pairs=sum(map(len, by_seed.values())),
        n_planned=n_planned,
        reason="" if any(not math.isnan(x) for x in tested) else "no pair of runs to compare",
        contexts=tuple(map(mean, by_place.values())),
    )


def _of_seed(differences: list[float], n_diverged: int) -> float:
    """`n_diverged`: runs of this value, minus those of the first."""
    return math.copysign(math.inf, n_diverged) if n_diverged else mean(differences)


def _contrasts(losses: Losses, one: tuple[int, Any, Any], other: tuple[int, Any, Any]) -> Iterator[tuple[int, float]]:
    """(seed, contrast) of each four runs that ended well."""
    (i, first, a), (j, first_other, b) = one, other
    for (place, seed), loss in losses.items():
        if place[i] != a or place[j] != b:
            continue
        corners = []
        for value, value_other in ((first, b), (a, first_other), (first, first_other)):
            corner = list(place)
            corner[i], corner[j] = value, value_other
            corners.append(losses.get((tuple(corner), seed), math.nan))
        contrast = loss - corners[0] - corners[1] + corners[2]
        if math.isfinite(contrast):
            yield seed, contrast
