"""A study of one axis of rising numbers is a ladder: how the loss falls along it, and what the next rung gives. One of
training and size, 4 x 3 rungs or more, is a surface of two terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..ablation.study import Study
from ..statistics.ladder import PowerLaw, Prediction, fit_and_predict
from ..statistics.surface import TwoTermLaw, fit_surface
from .summary import VariantSummary

LEAST_RUNGS = 3
_TRAINING = ("training.steps", "training.epochs")
_SIZES = ("model.n_embd", "model.n_layer", "model.mlp_width")
"""Axes whose rungs are measured in parameters."""
AMOUNTS = (*_TRAINING, *_SIZES)
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


@dataclass(frozen=True)
class Surface:
    """The rungs of two axes, one of training and one of size, and the law through them."""

    axes: tuple[str, str]
    measures: tuple[str, str]
    """What x and y count."""
    x: tuple[float, ...]
    y: tuple[float, ...]
    law: TwoTermLaw
    ahead: tuple[float, float]
    """The next rung of both, as far from the last as that is from the one before, in proportion."""
    foretold: Prediction
    n_seeds: int
    """That ended well at every rung."""


def ladder_of(study: Study, ranking: Sequence[VariantSummary]) -> Ladder | None:
    """None where the study is none: more than one axis, fewer than 3 rungs, or a fit that nothing can judge."""
    config = study.config
    if len(config.axes) != 1 or config.explicit:
        return None
    ((axis, values),) = config.axes.items()
    if axis not in AMOUNTS or len(values) < LEAST_RUNGS or len(config.variants) < len(values):
        return None
    table = _losses(study, ranking)
    if not len(table):
        return None
    sizes = _amounts(axis, values, list(config.variants), ranking)
    order = np.argsort(sizes)
    x = np.array(sizes, dtype=np.float64)[order]
    try:
        law, next_rung = fit_and_predict(x, table[:, order], _next(x))
    except ValueError:  # rungs that do not rise, or too little to judge by
        return None
    return Ladder(axis, _measure(axis), tuple(x.tolist()), law, next_rung, len(table))


def surface_of(study: Study, ranking: Sequence[VariantSummary]) -> Surface | None:
    """None where the study is none: two axes, of training and of size, whose every combination was run."""
    config = study.config
    is_one = [sum(path in some for path in config.axes) == 1 for some in (_TRAINING, _SIZES)]
    if len(config.axes) != 2 or not all(is_one) or config.explicit or config.design != "grid":
        return None
    axes = sorted(config.axes, key=lambda path: len(config.axes[path]), reverse=True)  # that of more rungs is x
    shape = [len(values) for values in config.axes.values()]
    names, table = np.array(list(config.variants)), _losses(study, ranking)
    if len(names) < shape[0] * shape[1] or not len(table):
        return None
    grid = np.arange(len(names)).reshape(shape)
    grid = grid if axes[0] == next(iter(config.axes)) else grid.T
    sizes = [
        np.array(_amounts(path, config.axes[path], names[line].tolist(), ranking), dtype=np.float64)
        for path, line in zip(axes, (grid[:, 0], grid[0]), strict=True)
    ]
    x, y = (np.sort(some) for some in sizes)
    losses = table[:, grid[np.argsort(sizes[0])][:, np.argsort(sizes[1])]]
    ahead = _next(x), _next(y)
    try:
        law, foretold = fit_surface(x, y, losses, ahead)
    except ValueError:  # fewer rungs or seeds than two terms take
        return None
    measures = _measure(axes[0]), _measure(axes[1])
    return Surface((axes[0], axes[1]), measures, tuple(x.tolist()), tuple(y.tolist()), law, ahead, foretold, len(table))


def _losses(study: Study, ranking: Sequence[VariantSummary]) -> np.ndarray:
    """Of the seeds that ended well with every variant, in the order of the grid.    -> (seeds, variants)"""
    by_name = {one.name: one for one in ranking}
    losses = [
        dict(zip((one.cell.config.seed for one in by_name[name].ok), by_name[name].losses, strict=True))
        for name in study.config.variants
    ]
    seeds = sorted(set.intersection(*map(set, losses)))
    return np.array([[some[seed] for some in losses] for seed in seeds])


def _amounts(
    axis: str, values: Sequence[float], variants: Sequence[str], ranking: Sequence[VariantSummary]
) -> list[float]:
    """The values of an axis, or the parameters of those variants, one a value."""
    if axis not in _SIZES:
        return [*values]
    by_name = {one.name: one for one in ranking}
    return [by_name[name].ok[0].record.parameter_count for name in variants]


def _measure(axis: str) -> str:
    return "parameters" if axis in _SIZES else axis.rpartition(".")[2].replace("_", " ")


def _next(x: np.ndarray) -> float:
    """As far from the last as that is from the one before, in proportion."""
    return float(x[-1] ** 2 / x[-2])
