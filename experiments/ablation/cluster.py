"""Cells on a Dask cluster that runs already: the scheduler's business is Dask's, ours what a lost cell means."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ... import __version__
from ...errors import ConfigError, NanochatWarning, SweepError, missing_extra
from ...machine import one_blas_thread
from .cells import CellResult, run_cell
from .grid import Cell
from .workers import Started, run_on_slots

_PATIENCE_S = 30
_COUNT_EVERY_S = 5
"""How often a sweep looks whether workers have come."""


def run_on_cluster(
    cells: Sequence[Cell], address: str, *, should_stop: Callable[[], bool]
) -> Generator[Started | CellResult, None, None]:
    """As run_in_processes, on the workers of the scheduler at `address`, one cell a thread of theirs.

    Workers that come later take part. Results come back over the wire and are written here: workers share no folder
    with us, but they need this package and the text, at the same path. A cell whose worker dies is given to another;
    one that takes three workers with it is marked failed. Raises ConfigError where there is no cluster, SweepError
    where it goes away.
    """
    with _connected(address) as client:
        executor = client.get_executor(pure=False)
        try:
            threads = _Threads(client, ClusterSlot(executor, address), address)
            yield from run_on_slots(cells, (), should_stop=should_stop, more=threads.new)
        finally:
            executor.shutdown(wait=False)  # Dask forgets the cells, and _run_alone ends those that still run


def count_threads(address: str) -> int:
    """How many cells would run there at once. Raises ConfigError where there is no cluster that could run one."""
    with _connected(address) as client:
        return _n_threads(client)


class ClusterSlot:
    """A thread somewhere; all are alike, and which one takes a cell is the scheduler's choice."""

    def __init__(self, executor: Executor, address: str) -> None:
        self.executor, self.address = executor, address

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


class _Threads:
    """The threads of a cluster as slots, as they come; a cell whose worker has gone waits for another in its slot."""

    def __init__(self, client: Any, slot: ClusterSlot, address: str) -> None:
        self.client, self.slot, self.address = client, slot, address
        self.n_given, self.looked = 0, -float("inf")

    def new(self) -> list[ClusterSlot]:
        """A slot for each thread more than there ever were; warns where none is left."""
        if time.monotonic() < self.looked + _COUNT_EVERY_S or self.client.status != "running":
            return []
        self.looked = time.monotonic()
        n_threads = _n_threads(self.client)
        if not n_threads:
            text = f"no worker is left at {self.address}: cells wait until one comes (`dask worker {self.address}`)"
            warnings.warn(text, NanochatWarning, stacklevel=2)
        n_new = max(0, n_threads - self.n_given)
        self.n_given += n_new
        return [self.slot] * n_new


def _run_alone(cell: Cell) -> CellResult:
    """On a worker: one thread of the BLAS for each cell, which ends when the scheduler has forgotten it."""
    worker = import_module("distributed").get_worker()
    key = worker.get_current_task()

    def is_forgotten() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled"

    with one_blas_thread():
        return run_cell(cell, should_stop=is_forgotten)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """A client of a scheduler that has a worker, all of which have this package."""
    try:
        distributed = import_module("distributed")
    except ImportError as error:
        raise missing_extra("cluster") from error
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # that a scheduler has gone, we say ourselves
    try:
        distributed.comm.resolve_address(address)  # a client that cannot read it hangs for a minute when it is deleted
        client = distributed.Client(address, timeout=_PATIENCE_S, set_as_default=False)
    except ValueError as error:
        raise ConfigError(f"--cluster {address} is no address ({error}): give e.g. tcp://HOST:8786") from error
    except (OSError, TimeoutError) as error:
        raise ConfigError(
            f"there is no Dask scheduler at {address} ({error}): start one with `dask scheduler`"
        ) from error
    with client:
        _check_workers(client, address)
        yield client


def _check_workers(client: Any, address: str) -> None:
    """Wait for the first; each has our version of the package, or every cell would end its worker."""
    try:
        client.wait_for_workers(1, timeout=_PATIENCE_S)
    except TimeoutError as error:
        raise ConfigError(
            f"the scheduler at {address} has no worker: start some with `dask worker {address}`"
        ) from error
    for worker, found in client.run(_version, on_error="return").items():
        if found != __version__:
            what = f"nanochat {found}" if isinstance(found, str) else "no nanochat that it can import"
            raise ConfigError(f"the worker at {worker} has {what}: copy this checkout, {__version__}, to its machine")


def _version() -> str:
    """On a worker."""
    return __version__


def _n_threads(client: Any) -> int:
    return sum(client.nthreads().values())
