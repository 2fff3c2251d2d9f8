"""An ablation: run what is not on disk yet, here or in processes, and merge the tables. Draws no conclusion."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ...data.dataset import build_dataset
from ...errors import ConfigError
from ...machine import cores
from ...storage.lock import folder_locked
from ...tokenizers.processes import check_guarded
from ...training.folder.record import to_row
from ...training.run import Event
from .cells import CellResult, run_cell
from .cluster import run_on_cluster
from .grid import HEAD_AND_NORM, AblationConfig, Cell, flatten
from .looks import until_decided
from .study import (
    CellDamaged,
    Study,
    cell_path,
    check_files,
    check_inputs,
    check_places,
    find_result,
    go_on,
    read_config,
    save_config,
    start_study,
    study_of,
    write_result,
)
from .tables import write_tables
from .tune import tune
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
class CellsPlanned:
    """A lot of cells begins: all there are, or those of a tuning, or those up to the next look."""

    cells: tuple[Cell, ...]


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


AblationEvent = CellsPlanned | CellStarted | CellDone | CellDamaged | Event


def run_ablation(
    config: AblationConfig,
    out: Path,
    *,
    jobs: int = 1,
    cluster: str = "",
    reuse: Path | None = None,
    observe: Callable[[AblationEvent], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
    locked: bool = False,
) -> Study:
    """The study in `out`, complete unless `should_stop` ended it; started again, it goes on where it was.

    First the tuning, where there is one, on seeds of its own; then seed by seed, up to each look where there are
    looks, so that what is there when it is stopped early compares all variants. With jobs=1 the cells run here
    and the events of their steps are observed, too; otherwise in `jobs` processes, 0 for one a core, or on the Dask
    cluster whose scheduler has the address `cluster`. A cell that diverges, fails or is refused is a result like the
    others (`record.status`); what failed or was refused is tried again at the next start.
    `reuse` is the folder of another study, whose cells are taken over where this one has the same.
    `locked` says that the caller holds the lock of `out` (storage/lock.py).
    Raises DataError if the text cannot be read, GuardError if another sweep is at work in `out`, something lies there
    that is not known to be a study's, or the processes cannot begin (a script needs `if __name__ == "__main__":`),
    WriteError, and what run_on_cluster raises; finished cells stay.
    """
    check_guarded()
    with nullcontext() if locked else folder_locked(out):
        check_files(out)
        check_places(config.cells(), out)
        config = go_on(config, out)
        sweep = _Sweep(out, start_study(config, out), jobs or cores(), cluster, observe, should_stop, reuse)
        if config.tune:
            config = tune(config, sweep.run)
            save_config(config, out)
        if config.looks and bool(config.tune) == bool(config.tuned):
            config = until_decided(config, sweep.run, partial(save_config, folder=out))
        elif bool(config.tune) == bool(config.tuned):  # else it was stopped before there was anything to compare
            sweep.run(config.cells())
        study = study_of(config, sweep.found, sweep.environment)
        write_tables(study, out)
    return study


@dataclass
class _Sweep:
    """What runs cells, one lot after the other."""

    out: Path
    environment: dict[str, Any]
    jobs: int
    cluster: str
    observe: Callable[[AblationEvent], None]
    should_stop: Callable[[], bool]
    reuse: Path | None
    found: dict[str, CellResult | None] = field(default_factory=dict)
    """By key, whatever was run or found."""

    def run(self, cells: Sequence[Cell]) -> Mapping[str, CellResult | None]:
        """All that is known after these cells: read where they are on disk, run where not."""
        cells = sorted(cells, key=lambda cell: cell.config.seed)
        new = [cell for cell in cells if cell.key not in self.found]
        numbers = {cell.key: number for number, cell in enumerate(new, start=1)}
        self.observe(CellsPlanned(tuple(new)))
        missing = []
        for cell in new:
            result = self.found[cell.key] = find_result(cell, self.out, self.observe) or self._taken_over(cell)
            if result is not None and result.is_finished:
                self.observe(CellDone(result, numbers[cell.key], len(new), True))
            else:
                missing.append(cell)
        if missing:
            build_dataset(missing[0].config.data)  # text that all cells read and none can: not one could begin
        lot = _run(missing, self.jobs, self.cluster, self.observe, self.should_stop)
        with closing(lot):  # it owns processes
            for progress in lot:
                if isinstance(progress, Started):
                    self.observe(CellStarted(progress.cell, numbers[progress.cell.key], len(new)))
                elif progress.record.status != "interrupted":
                    check_inputs(progress, self.environment, self.out)
                    self.found[progress.cell.key] = write_result(progress, self.out)
                    self.observe(CellDone(progress, numbers[progress.cell.key], len(new), False))
        return self.found

    def _taken_over(self, cell: Cell) -> CellResult | None:
        """The cell of the study that is reused, written here."""
        if self.reuse is None:
            return None
        result = find_result(cell, self.reuse, self.observe)
        if result is None or not result.is_finished:
            return None
        check_inputs(result, self.environment, self.out)
        return write_result(result, self.out)


def check_reuse(config: AblationConfig, folder: Path) -> None:
    """Raises CheckpointError where there is no study, ConfigError where it has no cell of this one."""
    read_config(folder / "config.json")
    if not any(cell_path(cell, folder).is_file() for cell in config.cells()):
        raise ConfigError(
            f"{folder} shares no cell with this study: what is reused has the same settings but for the values of axes"
        )


def _run(
    cells: list[Cell],
    jobs: int,
    cluster: str,
    observe: Callable[[AblationEvent], None],
    should_stop: Callable[[], bool],
) -> Generator[Started | CellResult, None, None]:
    if cluster and cells:
        yield from run_on_cluster(cells, cluster, should_stop=should_stop)
    elif jobs > 1:
        yield from run_in_processes(cells, jobs=jobs, should_stop=should_stop)
    else:
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
