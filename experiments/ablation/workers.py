"""Cells in processes of their own: as many at a time as there are slots, each process alone with its cell.

A slot is a pool of one: when the system kills its process, it is known which cell that was, and the others go on.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Protocol

from ...machine import cores
from ...tokenizers.processes import SPAWN, Handshake, deaf_to_the_terminal, say_begun
from .cells import CellResult, failed_cell, run_cell
from .grid import Cell

_LOOK_S = 0.2
"""How often a sweep looks whether somebody wants it to stop."""


@dataclass(frozen=True)
class Started:
    """A cell has been given to a worker."""

    cell: Cell


class Slot(Protocol):
    """A place where one cell runs at a time."""

    def submit(self, cell: Cell) -> Future[CellResult]: ...
    def recover(self, error: BaseException) -> str:
        """Be ready for the next cell after this error; the reason to note for the cell. Raises what is no loss."""
        ...


def run_in_processes(
    cells: Sequence[Cell], *, jobs: int, should_stop: Callable[[], bool]
) -> Generator[Started | CellResult, None, None]:
    """Each cell when it is given out and when it is done, in the order of time; the rest is left out on a stop.

    Raises GuardError where the processes cannot begin, as in a script without a main guard.
    """
    # Nothing is ever written: the end of the pipe, when the sweep stops or dies, sends the workers home. (Not an Event:
    # setting one waits for ever for a worker that was killed while it slept.)
    lifeline, ours = SPAWN.Pipe(duplex=False)
    handshake, threads = Handshake(), max(1, cores() // jobs)
    slots = [ProcessSlot(lifeline, handshake, threads=threads) for _ in range(min(jobs, len(cells)))]
    try:
        with closing(run_on_slots(cells, slots, should_stop=should_stop)) as progress:
            yield from progress
    finally:
        ours.close()  # first: a worker in the middle of a cell leaves now, and nobody waits for it
        for slot in slots:
            slot.executor.shutdown(wait=True, cancel_futures=True)
        lifeline.close()
        handshake.close()


def run_on_slots(
    cells: Sequence[Cell],
    slots: Sequence[Slot],
    *,
    should_stop: Callable[[], bool],
    more: Callable[[], Sequence[Slot]] = tuple,
) -> Generator[Started | CellResult, None, None]:
    """The same on any slots, and on those that `more` says have come since it was asked last.

    Idle ones take the next cell, until none is left or somebody asks to stop.
    """
    waiting, idle = iter(cells), list(slots)
    running: dict[Future[CellResult], tuple[Slot, Cell]] = {}
    while not should_stop():
        idle += more()
        while idle and (cell := next(waiting, None)) is not None:
            slot = idle.pop()
            yield Started(cell)
            running[slot.submit(cell)] = slot, cell
        if not running:
            return
        done, _ = wait(running, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
        for future in done:
            slot, cell = running[future]
            error = CancelledError() if future.cancelled() else future.exception()
            if error is not None and should_stop():
                return  # a signal to the whole group ends the workers, too: that is no failure of a cell
            del running[future]
            idle.append(slot)
            yield future.result() if error is None else failed_cell(cell, slot.recover(error))


class ProcessSlot:
    """A process on this machine; a new one after the system has killed it."""

    def __init__(self, lifeline: Connection, handshake: Handshake, *, threads: int) -> None:
        self.lifeline, self.handshake, self.threads = lifeline, handshake, threads
        self.executor: Executor = self._start()

    def submit(self, cell: Cell) -> Future[CellResult]:
        """Run the cell there; in a new process if the last one was killed with nothing to do."""
        with deaf_to_the_terminal():
            try:
                return self.executor.submit(run_cell, cell)
            except BrokenProcessPool:
                self.executor = self._start()
                return self.executor.submit(run_cell, cell)

    def recover(self, error: BaseException) -> str:
        """A new process for one that was killed. Raises GuardError where none began, any other error as ours."""
        if not isinstance(error, BrokenProcessPool):
            raise error
        self.handshake.check()
        self.executor.shutdown(wait=False)
        self.executor = self._start()
        return "its process was ended by the system: killed by hand, or for want of memory"

    def _start(self) -> Executor:
        arguments = self.lifeline, self.handshake.tell, self.threads
        with deaf_to_the_terminal():  # its queues start Python's own tracker
            return ProcessPoolExecutor(1, SPAWN, initializer=_begin_worker, initargs=arguments)


def _begin_worker(lifeline: Connection, tell: Connection, threads: int) -> None:
    """Once a process: say that it began; its share of the threads; leave when nobody waits."""
    say_begun(tell)
    import numpy as np  # noqa: F401  (loads the BLAS that is limited here)
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Windows
    threadpool_limits(limits=threads)
    threading.Thread(target=_leave_with_parent, args=(lifeline,), daemon=True).start()


def _leave_with_parent(lifeline: Connection) -> None:
    """End the process when the sweep stops or its parent dies: an unfinished cell is worth nothing."""
    with suppress(OSError, EOFError):
        lifeline.poll(None)
    os._exit(1)
