"""A study of one axis of rising numbers is a ladder: how the loss falls along it, and what the next rung gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..ablation.study import Study
from ..statistics.ladder import PowerLaw, Prediction, fit_and_predict
from .summary import VariantSummary

LEAST_RUNGS = 3
_SIZES = ("model.n_embd", "model.n_layer", "model.mlp_width")
"""Axes whose rungs are measured in parameters."""
AMOUNTS = ("training.steps", "training.epochs", *_SIZES)
"""Axes along which a loss may be expected to follow a power law: of size and of amount, not of a rate."""


@dataclass(frozen=True)
class Ladder:
    """The rungs of an axis, and the law through them."""

    axis: str
    measure: str
    """What x counts: parameters, or the axis itself."""
    x: tuple[float, ...]
    law: PowerLaw
    next_rung: Prediction
    """As far from the last rung as that is from the one before, in proportion."""
    n_seeds: int
    """That ended well at every rung."""


def ladder_of(study: Study, ranking: Sequence[VariantSummary]) -> Ladder | None:
    """None where the study is none: more than one axis, fewer than 3 rungs, or a fit that nothing can judge."""
    config = study.config
    if len(config.axes) != 1 or config.explicit:
        return None
    ((axis, values),) = config.axes.items()
    if axis not in AMOUNTS or len(values) < LEAST_RUNGS:
        return None
    by_name = {one.name: one for one in ranking}
    rungs = [by_name[name] for name in config.variants]
    losses = [dict(zip((one.cell.config.seed for one in rung.ok), rung.losses, strict=True)) for rung in rungs]
    seeds = sorted(set.intersection(*map(set, losses)))
    if not seeds or len(rungs) < len(values):
        return None
    sizes = [rung.ok[0].record.parameter_count for rung in rungs] if axis in _SIZES else values
    order = np.argsort(sizes)
    x = np.array(sizes, dtype=np.float64)[order]
    table = np.array([[losses[i][seed] for i in order] for seed in seeds])
    try:
        law, next_rung = fit_and_predict(x, table, float(x[-1] ** 2 / x[-2]))
    except ValueError:  # rungs that do not rise, or too little to judge by
        return None
    measure = "parameters" if axis in _SIZES else axis.rpartition(".")[2].replace("_", " ")
    return Ladder(axis, measure, tuple(x.tolist()), law, next_rung, len(seeds))
