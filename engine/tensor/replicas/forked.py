"""A replica in a process of its own, where one can be forked: it waits for nobody's interpreter lock.

The process begins as a copy of the one that trains, so it has the model; it sees each step of the weights, which lie
in memory that both share (`share`), is sent micro-batches through a pipe, and leaves gradients in memory that both
share. It computes what a thread would, to the bit, so that nothing hangs on it: what a process that was killed, or
that says nothing for too long, was asked for is worked out here.
"""

from __future__ import annotations

import ctypes
import gc
import math
import mmap
import os
import signal
import socket
import struct
import time
import warnings
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from operator import is_
from typing import Any, NoReturn

import numpy as np

from ....machine import can_fork, close_files_but, helped_by, no_longer_helped_by, one_blas_thread
from ..optim import Optimizer
from ..recording import Array
from .replica import Job, Replica

PATIENCE = 30.0
"""Seconds that a process may take for its part, besides ten times what this one took for its own."""
_SEND_S = 3
"""Seconds that may pass until it takes some of a job: it has nothing else to do then."""
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl.h; man 2 prctl
_GONE = (EOFError, BrokenPipeError, ConnectionResetError, BlockingIOError)
"""What a pipe says where nobody is at its other end, or nobody reads."""


class _Pages(mmap.mmap):
    """Memory that processes forked from here on share."""


class _Forks:
    """Whether the one under way is ours, and whose vectors a copy that is made by others must not share."""

    def __init__(self) -> None:
        self.are_ours = False
        self.sharing: weakref.WeakSet[Optimizer] = weakref.WeakSet()


_FORKS = _Forks()


def share(optimizer: Optimizer) -> None:
    """Move the parameters to where forked processes see them, if there can be some and memory for it.

    So are gradients and what the optimizer remembers, of which a process would else keep those of its birth.
    """
    if can_fork():
        with suppress(OSError):
            _place(optimizer, [_shared(vector) for vector in _vectors(optimizer)])
            _FORKS.sharing.add(optimizer)


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
        """The process was killed, or said nothing for too long."""
        self._weights = [master.data for master in self.masters]
        self._homes = [_shared(array) for array in self._weights]
        self._learned: tuple[int, dict[Any, str]] = 0, {}
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _SEND_S, 0))
        self._pipe = Connection(ours.detach())
        with theirs, _forking():
            pid = os.fork()
            if pid == 0:
                _work(self, Connection(theirs.detach()))
            self._owner, self._end = os.getpid(), weakref.finalize(self, _end, pid, self._pipe, os.getpid())
            helped_by(pid)

    @property
    def n_replayed(self) -> int:
        return self._learned[0]

    @property
    def refused(self) -> dict[Any, str]:
        return self._learned[1]

    @property
    def fits(self) -> bool:
        """It can do the next job: it is there, has nothing to do, and sees the weights as they are."""
        seen = all(map(is_, self._weights, [master.data for master in self.masters]))
        return seen and self._job is None and self._is_there

    def start(self, job: Job) -> None:
        super().start(job)
        self._send(job)

    def finish(self, deadline: float = math.inf) -> tuple[float, list[Array | None]]:
        answer = self._answer(deadline)
        if answer is None:  # also where it raised: so does this, and here it can be read where
            return super().finish()
        self._job = None
        loss, present, self._learned = answer
        return loss, [home if there else None for home, there in zip(self._homes, present, strict=True)]

    def wait(self) -> None:
        if self._job is not None:  # and nobody asks what comes of it any more
            self._job = None
            self.close()

    def rest(self) -> None:
        super().rest()
        if self._job is None:
            self._send(None)

    def close(self) -> None:
        self._end()

    @property
    def _is_there(self) -> bool:
        return self._end.alive and self._owner == os.getpid()  # in a copy of this process it is none of ours

    def _send(self, job: Job | None) -> None:
        if self._is_there:
            try:
                self._pipe.send(job)
            except _GONE:
                self._lose()

    def _answer(self, deadline: float) -> Any:
        """What the process says of its job: None where it could not do it, or where it is lost."""
        if self._is_there:
            try:
                if self._pipe.poll(max(0.0, deadline - time.monotonic())):
                    return self._pipe.recv()
            except _GONE:
                pass
            self._lose()
        return None

    def _lose(self) -> None:
        self.lost = True
        self.close()


def _work(replica: Forked, pipe: Connection) -> NoReturn:
    """The process: job after job, until nobody can send another."""
    try:
        close_files_but(0, 1, 2, pipe.fileno())  # a lock on the run's folder would outlive the run
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        gc.freeze()  # what it was born with is never looked through: pages stay shared, no file is closed twice
        for number in signal.valid_signals():  # what a terminal sends to all, and what this program handles otherwise,
            if number in (signal.SIGINT, signal.SIGHUP) or callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_IGN)  # the process that trains decides about
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
        if g is not None:
            np.copyto(home, g)  # at once, where a replay has left it there
    return loss, [g is not None for g in found], (replica.steps.n_replayed, replica.steps.refused)


def _end(pid: int, pipe: Connection, owner: int) -> None:
    if os.getpid() == owner:
        try:
            no_longer_helped_by(pid)
        finally:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)  # it has nothing to save
                os.waitpid(pid, 0)
            pipe.close()


def _vectors(optimizer: Optimizer) -> list[Array]:
    return [optimizer.flat.data, optimizer.flat.grad, *optimizer.memory.values()]


def _place(optimizer: Optimizer, vectors: Sequence[Array]) -> None:
    """Let the optimizer, and the parameters that it moves, have these in the place of theirs."""
    flat = optimizer.flat
    flat.data, flat.grad, *memory = vectors
    optimizer.memory = dict(zip(optimizer.memory, memory, strict=True))
    data, grad = flat.views(flat.data), flat.views(flat.grad)
    for name, parameter in flat.parameters.items():
        parameter.data, parameter.grad = data[name], grad[name]


def _shared(array: Array) -> Array:
    """A copy that lies in shared memory."""
    copy = np.frombuffer(_Pages(-1, max(1, array.nbytes)), array.dtype, array.size).reshape(array.shape)
    copy[...] = array
    return copy


def _part() -> None:
    """In a copy of this process that somebody else made: what it trains is its own."""
    if not _FORKS.are_ours:
        for optimizer in list(_FORKS.sharing):
            _place(optimizer, [vector.copy() for vector in _vectors(optimizer)])


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_part)


@contextmanager
def _forking() -> Iterator[None]:
    """The fork is ours: no handler of a signal runs in what comes of it, and nobody is warned of threads."""
    _FORKS.are_ours = True
    former = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        _FORKS.are_ours = False
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
