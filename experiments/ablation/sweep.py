"""An ablation: run what is not on disk yet, here or in processes, and merge the tables. Draws no conclusion."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from ...data.dataset import build_dataset
from ...machine import cores
from ...storage.lock import folder_locked
from ...tokenizers.processes import check_guarded
from ...training.folder.record import to_row
from ...training.run import Event
from .cells import CellResult, run_cell
from .cluster import run_on_cluster
from .grid import HEAD_AND_NORM, AblationConfig, Cell, flatten
from .study import (
    CellDamaged,
    Study,
    check_files,
    check_inputs,
    check_places,
    find_result,
    read_config,
    read_study,
    start_study,
    write_result,
    write_tables,
)
from .workers import Started, run_in_processes

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
    jobs: int = 1,
    cluster: str = "",
    observe: Callable[[AblationEvent], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
    locked: bool = False,
) -> Study:
    """The study in `out`, complete unless `should_stop` ended it; started again, it goes on where it was.

    Seed by seed, so that what is there when it is stopped early compares all variants. With jobs=1 the cells run here
    and the events of their steps are observed, too; otherwise in `jobs` processes, 0 for one a core, or on the Dask
    cluster whose scheduler has the address `cluster`. A cell that diverges, fails or is refused is a result like the
    others (`record.status`); what failed or was refused is tried again at the next start.
    `locked` says that the caller holds the lock of `out` (storage/lock.py).
    Raises DataError if the text cannot be read, GuardError if another sweep is at work in `out`, something lies there
    that is not known to be a study's, or the processes cannot begin (a script needs `if __name__ == "__main__":`),
    WriteError, and what run_on_cluster raises; finished cells stay.
    """
    check_guarded()
    with nullcontext() if locked else folder_locked(out):
        check_files(out)
        check_places(config.cells(), out)
        start_study(config, out)
        cells = sorted(config.cells(), key=lambda cell: cell.config.seed)
        numbers = {cell.key: number for number, cell in enumerate(cells, start=1)}
        missing = []
        for cell in cells:
            result = find_result(cell, out, observe)
            if result is not None and result.is_finished:
                observe(CellDone(result, numbers[cell.key], len(cells), True))
            else:
                missing.append(cell)
        if missing:
            build_dataset(missing[0].config.data)  # text that all cells read and none can: not one could begin
        sweep = (
            run_on_cluster(missing, cluster, should_stop=should_stop)
            if cluster and missing
            else _run(missing, jobs or cores(), observe, should_stop)
        )
        with closing(sweep):  # it owns processes
            for progress in sweep:
                if isinstance(progress, Started):
                    observe(CellStarted(progress.cell, numbers[progress.cell.key], len(cells)))
                elif progress.record.status != "interrupted":
                    check_inputs(progress, out)
                    write_result(progress, out)
                    observe(CellDone(progress, numbers[progress.cell.key], len(cells), False))
        study = read_study(out)
        write_tables(study, out)
    return study


def _run(
    cells: list[Cell], jobs: int, observe: Callable[[AblationEvent], None], should_stop: Callable[[], bool]
) -> Generator[Started | CellResult, None, None]:
    if jobs > 1:
        with closing(run_in_processes(cells, jobs=jobs, should_stop=should_stop)) as progress:
            yield from progress
        return
    for cell in cells:
        if should_stop():
            return
        yield Started(cell)
        yield run_cell(cell, observe=observe, should_stop=should_stop)


class Tracker(Protocol):
    """What the trackers of this field have in common."""

    def init(self, *, name: str, config: Mapping[str, Any]) -> Any: ...
    def log(self, values: Mapping[str, Any], *, step: int) -> Any: ...
    def finish(self) -> Any: ...


def tell(tracker: Tracker) -> Callable[[AblationEvent], None]:
    """`run_ablation(config, out, observe=tell(tracker))`: one run of the tracker for each cell that was run now.

    It is told when the cell is done, since cells run beside each other and trackers know one run at a time.
    """

    def observe(event: AblationEvent) -> None:
        if not isinstance(event, CellDone) or event.was_there:
            return
        result = event.result
        tracker.init(name=f"{result.cell.variant}-{result.record.seed}", config=flatten(asdict(result.cell.config)))
        validations = {point.step: point.loss for point in result.validations}
        for step in sorted({*range(1, len(result.losses) + 1), *validations}):
            values = {"val_loss": validations[step]} if step in validations else {}
            tracker.log(({"loss": result.losses[step - 1]} if step else {}) | values, step=step)
        tracker.log({f"final/{name}": value for name, value in to_row(result.record).items()}, step=result.record.steps)
        tracker.finish()

    return observe
