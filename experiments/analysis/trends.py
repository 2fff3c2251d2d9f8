"""Does a difference last as training goes on? From the validations that every cell keeps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ablation.cells import CellResult
from ..statistics.ladder import Trend, trend
from .summary import VariantSummary

LEAST_SHARE = 0.25
"""Of the run: what is before it tells little of where the difference goes."""
LEAST_POINTS, LEAST_SEEDS = 3, 3
"""Below either nothing is said of a trend."""


def trend_of(one: VariantSummary, baseline: VariantSummary, *, shown: int) -> Trend | None:
    """The paired difference over the steps that both validated at; None where these, or the seeds, are too few.

    `shown`: the sign of the verdict, which decides what there is at the end.
    """
    ours = {result.cell.config.seed: _curve(result) for result in one.ok}
    theirs = {result.cell.config.seed: _curve(result) for result in baseline.ok}
    seeds = sorted(ours.keys() & theirs.keys())
    curves: Sequence[dict[int, float]] = [curve for seed in seeds for curve in (ours[seed], theirs[seed])]
    if len(seeds) < LEAST_SEEDS:
        return None
    steps = sorted(set.intersection(*map(set, curves)))
    steps = [step for step in steps if step >= max(1, LEAST_SHARE * steps[-1])]
    if len(steps) < LEAST_POINTS:
        return None
    differences = np.array([[ours[seed][step] - theirs[seed][step] for step in steps] for seed in seeds])
    if not np.isfinite(differences).all():
        return None
    return trend(np.array(steps, dtype=np.float64), differences, shown=(None, shown))


def _curve(result: CellResult) -> dict[int, float]:
    return {point.step: point.loss for point in result.validations}
