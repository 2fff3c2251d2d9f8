"""The best value of one setting for each variant, sought on seeds that take no part in the comparison."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...errors import ConfigError
from ..statistics.intervals import mean
from .axes import next_value
from .cells import CellResult
from .grid import AblationConfig, Cell

MOST_ADDED = 4
"""Values by which a grid goes on at one edge."""

Run = Callable[[Sequence[Cell]], Mapping[str, CellResult | None]]
"""Cells to their results by key; None where somebody asked to stop."""


@dataclass(frozen=True)
class Trial:
    """A variant with one value of the field that is tuned."""

    value: int | float
    results: tuple[CellResult, ...]

    @property
    def loss(self) -> float:
        """Mean over the seeds; infinite where one did not end well, or is not there."""
        if not self.results or not all(result.is_ok for result in self.results):
            return math.inf
        return mean([result.record.val_loss for result in self.results])

    @property
    def n_bad(self) -> int:
        """Runs that did not end well."""
        return sum(not result.is_ok for result in self.results)


def tune(config: AblationConfig, run: Run) -> AblationConfig:
    """The study with the best value for each variant, by the mean over its tuning seeds; a divergence is the worst.

    While the best is at an edge, the grid goes on there by the same factor, up to four values. A grid that was
    stopped leaves `tuned` empty.
    """
    tried = {name: tuple(next(iter(config.tune.values()))) for name in config.variants}
    plain = replace(config, tuned={}, tried={})
    while True:
        cells = [cell for name, values in tried.items() for cell in plain.tuning_cells(name, values)]
        found = run(cells)
        if any(found.get(cell.key) is None for cell in cells):
            return plain
        trials = {name: trials_of(plain, name, values, found) for name, values in tried.items()}
        longer = {name: _extended(plain, name, known) for name, known in trials.items()}
        if longer == tried:
            return replace(plain, tried=tried, tuned={name: best(known).value for name, known in trials.items()})
        tried = longer


def trials_of(
    config: AblationConfig, variant: str, values: Sequence[int | float], found: Mapping[str, CellResult | None]
) -> list[Trial]:
    """The variant with each of the values, as far as it was run."""
    trials = []
    for value in values:
        results = (found.get(cell.key) for cell in config.tuning_cells(variant, [value]))
        trials.append(Trial(value, tuple(result for result in results if result is not None)))
    return trials


def best(trials: Sequence[Trial]) -> Trial:
    """The first of the lowest loss."""
    return min(trials, key=lambda one: one.loss)


def is_at_edge(trials: Sequence[Trial]) -> bool:
    """The best is the first or the last: a better one may lie beyond."""
    return best(trials) in (trials[0], trials[-1])


def sensitivity(trials: Sequence[Trial]) -> float:
    """Mean over the values of min(loss, first loss) - best loss, in nats: 0 where the value does not matter.

    Wortsman et al. 2023, arXiv:2309.14322, section 2.2. nan where nothing ended well.
    """
    good = [result.record.initial_loss for one in trials for result in one.results if result.is_ok]
    if not good or not math.isfinite(least := best(trials).loss):
        return math.nan
    return mean([min(one.loss, max(mean(good), least)) - least for one in trials])


def tuning_of(config: AblationConfig, results: Sequence[CellResult]) -> dict[str, list[Trial]]:
    """What was tried for each variant; empty for a study that tunes nothing, or whose tuning is not done."""
    found = {result.cell.key: result for result in results}
    plain = replace(config, tuned={})
    return {name: trials_of(plain, name, values, found) for name, values in config.tried.items()}


def _extended(config: AblationConfig, variant: str, trials: Sequence[Trial]) -> tuple[int | float, ...]:
    """The values, and one more where the best is at an edge and a run could have it."""
    values = tuple(one.value for one in trials)
    given = next(iter(config.tune.values()))
    lowest = best(trials)
    for up, edge, n_added in (
        (False, trials[0], sum(value < given[0] for value in values)),
        (True, trials[-1], sum(value > given[-1] for value in values)),
    ):
        value = next_value(values, up=up)
        if lowest is edge and n_added < MOST_ADDED and value not in values and _can_be(config, variant, value):
            return (*values, value) if up else (value, *values)
    return values


def _can_be(config: AblationConfig, variant: str, value: int | float) -> bool:
    try:
        config.tuning_cells(variant, [value])
    except ConfigError:
        return False
    return True
