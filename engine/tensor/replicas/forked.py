"""A replica in a process of its own, where the system can fork: it waits for nobody's interpreter lock.

The process begins as a copy of the one that trains, so it has the model; it sees each step of the weights, which lie
in memory that both share (`share`), is sent micro-batches through a pipe, and leaves gradients in memory that both
share. It computes what a thread would, to the bit, so that nothing hangs on it: what a process that was killed, or
that says nothing for too long, was asked for is worked out here.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import signal
import time
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

import numpy as np

from ....machine import can_fork, close_files_but, helped_by, no_longer_helped_by, one_blas_thread
from ..optim import Optimizer
from ..recording import Array
from .replica import Job, Replica

_PATIENCE = 30.0
"""Seconds that a process may take for its part, besides ten times what this one took for its own."""
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl.h; man 2 prctl
_DEAF_TO = ("SIGINT", "SIGHUP")
"""What a terminal sends to all processes: the one that trains decides what becomes of it."""


class _Pages(mmap.mmap):
    """Memory that processes forked from here on share."""


def share(optimizer: Optimizer) -> None:
    """Move the parameters to where forked processes see them, if there can be some.

    So are gradients and what the optimizer remembers, of which a process would else keep those of its birth.
    """
    if can_fork():
        flat = optimizer.flat
        flat.data, flat.grad = _shared(flat.data), _shared(flat.grad)
        optimizer.memory = {slot: _shared(vector) for slot, vector in optimizer.memory.items()}
        for parameter, data, grad in zip(
            flat.parameters.values(), flat.views(flat.data).values(), flat.views(flat.grad).values(), strict=True
        ):
            parameter.data, parameter.grad = data, grad


def is_shared(array: Array) -> bool:
    """Whether processes forked from here on see what becomes of it."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base.obj if isinstance(base, memoryview) else base, _Pages)


class Forked(Replica):
    """A replica whose jobs are done by a process that was forked from this one; done here where that is lost."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As Replica. Raises OSError where the system gives no process, or no memory."""
        super().__init__(*arguments, **options)
        self.lost = False
        """Nothing more is to be had of the process."""
        self.weights = [master.data for master in self.masters]
        """Those that it sees."""
        self._learned: tuple[int, dict[Any, str]] = 0, {}
        self._homes = [_shared(array) for array in self.weights]
        self._owner, self._sent = os.getpid(), 0.0
        fork = get_context("fork")
        self._pipe, theirs = fork.Pipe()
        process = fork.Process(target=_work, args=(self, theirs), daemon=True)  # it is ended with this one
        with _quiet(), theirs:
            process.start()
        helped_by(process.pid)
        self._end = weakref.finalize(self, _end, process, self._pipe, self._owner)

    @property
    def n_replayed(self) -> int:
        return self._learned[0]

    @property
    def refused(self) -> dict[Any, str]:
        return self._learned[1]

    def start(self, job: Job) -> None:
        if self._job is not None or self._owner != os.getpid():  # an interrupt came between, or we are a copy
            self.lost = True
        self._job, self._sent = job, time.monotonic()
        self._send(job)

    def finish(self) -> tuple[float, list[Array | None]]:
        assert self._job is not None
        job, answer = self._job, self._answer(_PATIENCE + 10 * (time.monotonic() - self._sent))
        self._job = None
        if answer is None:  # also where it raised: so does this, and here it can be read where
            return self.run(*job), self.gradients
        loss, present, self._learned = answer
        return loss, [home if there else None for home, there in zip(self._homes, present, strict=True)]

    def wait(self) -> None:
        if self._job is not None:
            self._answer(_PATIENCE)
            self._job = None

    def rest(self) -> None:
        super().rest()
        if self._job is None:
            self._send(None)

    def close(self) -> None:
        self.lost = True
        self._end()

    def _send(self, job: Job | None) -> None:
        if not self.lost:
            try:
                self._pipe.send(job)
            except OSError:
                self.lost = True

    def _answer(self, patience: float) -> Any:
        """What the process says of its job: None where it could not do it, or where it is lost."""
        try:
            if not self.lost and self._pipe.poll(patience):
                return self._pipe.recv()
        except (EOFError, OSError):
            pass
        self.close()
        return None


def _work(replica: Forked, pipe: Connection) -> NoReturn:
    """The process: job after job, until nobody can send another."""
    try:
        close_files_but(0, 1, 2, pipe.fileno())  # a lock on the run's folder would outlive the run
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        gc.freeze()  # what it was born with is never looked through: pages stay shared, no file is closed twice
        for name in _DEAF_TO:
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        warnings.simplefilter("ignore")  # the other process gives them, too
        replica.steps.homes = replica._homes
        with one_blas_thread():
            while True:
                job = pipe.recv()
                if job is None:
                    replica.steps.give_back()
                else:
                    pipe.send(_done(replica, job))
    finally:
        os._exit(0)


def _done(replica: Forked, job: Job) -> Any:
    """Loss, which parameters have a gradient, and what the replica has learned; None where it raised."""
    try:
        loss = replica.run(*job)
    except Exception:  # noqa: BLE001  whoever asked meets it, too
        return None
    found = replica.gradients
    for home, g in zip(replica._homes, found, strict=True):
        if g is not None and g.base is not home:
            np.copyto(home, g)
    return loss, [g is not None for g in found], (replica.steps.n_replayed, replica.steps.refused)


def _end(process: BaseProcess, pipe: Connection, owner: int) -> None:
    if os.getpid() == owner:  # in a copy of the process it works for, it is none of ours
        no_longer_helped_by(process.pid)
        pipe.close()
        process.kill()  # it has nothing to save
        process.join()


def _shared(array: Array) -> Array:
    """A copy that lies in shared memory."""
    copy = np.frombuffer(_Pages(-1, max(1, array.nbytes)), array.dtype, array.size).reshape(array.shape)
    copy[...] = array
    return copy


@contextmanager
def _quiet() -> Iterator[None]:
    """No signal comes between a fork and its first lines, and nobody is warned that threads are not copied."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, [getattr(signal, name) for name in (*_DEAF_TO, "SIGTERM")])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
