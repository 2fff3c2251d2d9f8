"""One batch by several replicas of a model, whose gradients are added.

Each micro-batch fills a gradient buffer of its own, and the buffers are added in the order of the micro-batches, in
plain gradient accumulation too. So K replicas at work side by side give, bit for bit, what one gives that accumulates
the same micro-batches. They are processes where the weights lie in memory that processes share, and threads elsewhere.
BLAS gets one thread, also where there is one replica: with several of its own it adds in another order for some shapes.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np

from ....errors import NanochatWarning
from ....machine import can_fork
from ..recording import Array
from ..tensor import Tensor
from .forked import PATIENCE, Forked, is_shared
from .replica import Job, Replica, Threaded, generators

_MOST_LOST = 2
"""Processes that may be killed, or say nothing, before threads take over."""


class Accumulator:
    """Runs loss and backward of a step's micro-batches, `n_workers` at a time."""

    def __init__(self, model: Any, n_workers: int = 1, *, repeats: bool = False) -> None:
        """repeats: the model's loss depends on its weights, on the batch, and on random streams in its tree alone, so
        that steps may be recorded and replayed (steps.py)."""
        if n_workers < 1:
            raise ValueError(f"n_workers={n_workers}: give 1 or more, at most one a core pays")
        self.model, self.n_workers, self.repeats = model, n_workers, repeats
        self._streams = generators(model, {})
        self._masters: list[Tensor] = [parameter for _, parameter in model.named_parameters()]
        self._team: list[Replica] = []  # made when first needed; the first of them in this thread
        self._n_lost = 0
        self._config: Any = None
        self._told: set[str] = set()
        self._pool: ThreadPoolExecutor | None = None

    def backward(self, batches: Sequence[tuple[Any, ...]]) -> float:
        """Set the model's gradients to sum_i w_i grad_i, w_i = n_i / sum_j n_j; return sum_i w_i loss_i.

        n_i counts the targets (batch[1]) of micro-batch i that are not -1, so this is the gradient of the mean loss
        of all targets, however unevenly they are spread. Earlier gradients are overwritten.
        """
        if not batches:
            raise ValueError("no micro-batches: a step needs at least one")
        if len(batches) == 1:  # alone it needs no weight
            return self._run_wave([(batches[0], 1.0, self._draw_seeds())], first=True)[0]
        counts = [int(np.count_nonzero(np.asarray(batch[1]) != -1)) for batch in batches]
        n = max(sum(counts), 1)
        jobs = [(batch, count / n, self._draw_seeds()) for batch, count in zip(batches, counts, strict=True)]
        losses: list[float] = []
        while len(losses) < len(jobs):
            losses += self._run_wave(jobs[len(losses) : len(losses) + self.n_workers], first=not losses)
        return sum([job[1] * loss for job, loss in zip(jobs, losses, strict=True)])

    @property
    def n_replayed(self) -> int:
        """Shapes of batches whose steps are replayed, of all replicas together."""
        return sum(member.n_replayed for member in self._team)

    @property
    def refused(self) -> dict[Any, str]:
        """Shapes of batches whose steps cannot be replayed, and why."""
        return {shape: why for member in self._team for shape, why in member.refused.items()}

    def rest(self) -> None:
        """Give back the memory of replays until the next step; gradients stay where the model has them."""
        for member in self._team:
            member.rest()

    def close(self) -> None:
        """End threads and processes."""
        for member in self._team:
            member.close()
        self._team = []
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _run_wave(self, jobs: list[Job], *, first: bool) -> list[float]:
        """The losses of micro-batches run side by side, one in this thread; their gradients are added in order."""
        team = self._team_of(len(jobs))
        try:
            begin = time.monotonic()
            for member, job in zip(team, jobs, strict=True):
                member.start(job)
            found = [team[0].finish()]
            took = time.monotonic() - begin
            deadline = begin + 11 * took + PATIENCE
            found += [member.finish(deadline) for member in team[1:]]
        except Exception:
            raise
        except BaseException:
            self.close()  # an interrupt may have come between any two lines: who was asked may not have been noted
            raise
        finally:
            for member in team:
                member.wait()  # also when a micro-batch failed: no one may still be writing
        for master, *gradients in zip(self._masters, *[gradients for _, gradients in found], strict=True):
            _collect(master, gradients, first)
        if any(member.refused for member in team):
            self._warn_once()
        return [loss for loss, _ in found]

    def _team_of(self, n: int) -> list[Replica]:
        """n replicas, each as it was left, or a new one where another is needed."""
        config = getattr(self.model, "config", None)
        if config is not self._config:
            self.close()
            self._config = config  # a replica is the model as it was at its first step
        for place, member in enumerate(self._team):
            if isinstance(member, Forked) and not member.fits:
                member.close()
                self._n_lost, member.lost = self._n_lost + member.lost, False
                self._team[place] = self._member(place)
        while len(self._team) < n:
            self._team.append(self._member(len(self._team)))
        return self._team[:n]

    def _member(self, place: int) -> Replica:
        made = self.model, self._masters, self._streams
        if place == 0:
            return Replica(*made, repeats=self.repeats)
        if self.repeats and can_fork() and self._n_lost < _MOST_LOST and all(is_shared(p.data) for p in self._masters):
            with suppress(OSError):
                return Forked(*made, repeats=True)
        self._pool = self._pool or ThreadPoolExecutor(self.n_workers - 1, "replica")
        return Threaded(self._pool, *made, repeats=self.repeats)

    def _warn_once(self) -> None:
        for why in self.refused.values():
            if why not in self._told:
                self._told.add(why)
                text = f"training steps are worked out by the graph and not replayed, which takes longer: {why}"
                warnings.warn(NanochatWarning(text), stacklevel=2)

    def _draw_seeds(self) -> list[int]:
        """A seed of each of the model's random streams, for one micro-batch: drawn in order, whoever runs it."""
        return [int(rng.integers(1 << 63)) for rng in self._streams.values()]


def _collect(master: Tensor, gradients: list[Array | None], first: bool) -> None:
    """master.grad = these gradients, added in order; to what earlier waves found, unless this is the first."""
    total = master.grad
    if total is None:
        total = master.grad = np.zeros_like(master.data)
    found = [g for g in gradients if g is not None]
    if not first:
        found.insert(0, total)
    if len(found) == 1:
        np.copyto(total, found[0])
    elif found:
        np.add(found[0], found[1], total)
        for g in found[2:]:
            total += g
    else:
        total.fill(0)
