"""Cells on a Dask cluster that runs already: the scheduler's business is Dask's, ours what a lost cell means."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future
from importlib import import_module
from typing import Any

from ..errors import ConfigError, SweepError
from .cells import CellResult, run_cell
from .grid import Cell
from .workers import Started, run_on_slots

_PATIENCE_S = 30


def run_on_cluster(
    cells: Sequence[Cell], address: str, *, should_stop: Callable[[], bool]
) -> Iterator[Started | CellResult]:
    """As run_in_processes, on the workers of the scheduler at `address`, one cell a thread of theirs.

    Results come back over the wire and are written here: workers share no folder with us, but they need this package
    and the text, at the same path. A cell whose worker dies is given to another; one that takes three workers with it
    is marked failed. Raises ConfigError where there is no cluster, SweepError where it goes away.
    """
    client = _connect(address)
    executor = client.get_executor(pure=False)
    try:
        slot = ClusterSlot(executor, client, address)
        yield from run_on_slots(cells, [slot] * _threads(client, address), should_stop=should_stop)
    finally:
        executor.shutdown(wait=False)  # Dask cancels what still runs
        client.close()


class ClusterSlot:
    """A thread somewhere; all are alike, and which one takes a cell is the scheduler's choice."""

    def __init__(self, executor: Executor, client: Any, address: str) -> None:
        self.executor, self.client, self.address = executor, client, address

    def submit(self, cell: Cell) -> Future[CellResult]:
        """Give the cell to the scheduler."""
        return self.executor.submit(_run_alone, cell)

    def recover(self, error: BaseException) -> str:
        """The reason of a cell that killed its workers. Raises SweepError if the cluster is gone, and our mistakes."""
        if isinstance(error, import_module("distributed").KilledWorker):
            return "the workers that tried it were ended one after the other: killed, or out of memory"
        if isinstance(error, (CancelledError, OSError)):
            raise SweepError(
                f"the cluster at {self.address} has let go of its cells: see that its scheduler runs, and start again; "
                "what is finished is kept"
            ) from error
        raise error


def _run_alone(cell: Cell) -> CellResult:
    """On a worker: one thread of the BLAS for each cell."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return run_cell(cell)


def _connect(address: str) -> Any:
    try:
        distributed = import_module("distributed")
    except ImportError as error:
        raise ConfigError("--cluster needs Dask: pip install 'nanochat[cluster]'") from error
    try:
        return distributed.Client(address, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigError(
            f"there is no Dask scheduler at {address} ({error}): start one with `dask scheduler`"
        ) from error


def _threads(client: Any, address: str) -> int:
    """Of all workers that are there, waiting for the first."""
    try:
        client.wait_for_workers(1, timeout=_PATIENCE_S)
    except TimeoutError as error:
        raise ConfigError(
            f"the scheduler at {address} has no worker: start some with `dask worker {address}`"
        ) from error
    return max(1, sum(client.nthreads().values()))
