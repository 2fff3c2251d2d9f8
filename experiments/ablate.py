"""An ablation: run what is not on disk yet, one cell after the other, and merge the tables. Draws no conclusion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..training.run import Evaluated, Event, run_training
from ..training.trainer import StepMetrics
from .grid import HEAD_AND_NORM, AblationConfig, Cell
from .study import (
    CellDamaged,
    CellResult,
    Study,
    Validation,
    find_result,
    read_config,
    read_study,
    start_study,
    write_result,
    write_tables,
)

__all__ = [
    "HEAD_AND_NORM",
    "AblationConfig",
    "AblationEvent",
    "Cell",
    "CellDamaged",
    "CellDone",
    "CellStarted",
    "read_config",
    "run_ablation",
]


@dataclass(frozen=True)
class CellStarted:
    """Cell `number` of `total` begins; the events of its run follow."""

    cell: Cell
    number: int
    total: int


@dataclass(frozen=True)
class CellDone:
    """Cell `number` of `total` is on disk."""

    result: CellResult
    number: int
    total: int
    was_there: bool
    """Found from an earlier start, not run now."""


AblationEvent = CellStarted | CellDone | CellDamaged | Event


def run_ablation(
    config: AblationConfig,
    out: Path,
    *,
    observe: Callable[[AblationEvent], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Study:
    """The study in `out`, complete unless `should_stop` ended it; started again, it goes on where it was.

    Seed by seed, so that what is there when it is stopped early compares all variants. A cell that diverges is a
    result like the others (`record.status`). Raises WriteError, and what run_training raises; finished cells stay.
    """
    start_study(config, out)
    cells = sorted(config.cells(), key=lambda cell: cell.config.seed)
    for number, cell in enumerate(cells, start=1):
        result = find_result(cell, out, observe)
        was_there = result is not None
        if result is None:
            if should_stop():
                break
            observe(CellStarted(cell, number, len(cells)))
            result = _run(cell, observe, should_stop)
            if result.record.status == "interrupted":
                break
            write_result(result, out)
        observe(CellDone(result, number, len(cells), was_there))
    study = read_study(out)
    write_tables(study, out)
    return study


def _run(cell: Cell, observe: Callable[[AblationEvent], None], should_stop: Callable[[], bool]) -> CellResult:
    losses: list[float] = []
    validations: list[Validation] = []

    def listen(event: Event) -> None:
        if isinstance(event, StepMetrics):
            losses.append(event.loss)
        elif isinstance(event, Evaluated):
            validations.append(Validation(event.step, event.evaluation.loss))
        observe(event)

    record = run_training(cell.config, observe=listen, should_stop=should_stop)
    return CellResult(cell, record, tuple(losses), tuple(validations))
