"""One batch on several threads: replicas of a model that share its weights and have gradients of their own.

Each micro-batch fills a gradient buffer of its own, and the buffers are added in the order of the micro-batches, in
plain gradient accumulation too. So K threads give, bit for bit, what one thread gives that accumulates the same
micro-batches. NumPy lets other threads run while it computes; BLAS gets one thread, also where there is one replica:
with several of its own it adds in another order for some shapes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from ...errors import NanochatWarning
from ...machine import one_blas_thread
from ..module import Module
from .steps import Steps
from .tensor import Tensor

Job = tuple[tuple[Any, ...], float, list[int]]
"""A micro-batch, its weight, and the seeds of its random streams."""


class Accumulator:
    """Runs loss and backward of a step's micro-batches, `n_threads` at a time."""

    def __init__(self, model: Any, n_threads: int = 1, *, repeats: bool = False) -> None:
        """repeats: the model's loss depends on its weights, on the batch, and on random streams in its tree alone, so
        that steps may be recorded and replayed (steps.py)."""
        if n_threads < 1:
            raise ValueError(f"n_threads={n_threads}: give 1 or more, at most one a core pays")
        self.model, self.n_threads, self.repeats = model, n_threads, repeats
        self._streams = _generators(model, {})
        self._masters: list[Tensor] = [parameter for _, parameter in model.named_parameters()]
        self._replicas: list[Replica] = []  # made when first needed
        self._config: Any = None
        self._told: set[str] = set()
        self._pool = ThreadPoolExecutor(n_threads - 1, "replica") if n_threads > 1 else None

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
            losses += self._run_wave(jobs[len(losses) : len(losses) + self.n_threads], first=not losses)
        return sum([job[1] * loss for job, loss in zip(jobs, losses, strict=True)])

    @property
    def n_replayed(self) -> int:
        """Shapes of batches whose steps are replayed, of all replicas together."""
        return sum(replica.steps.n_replayed for replica in self._replicas)

    @property
    def refused(self) -> dict[Any, str]:
        """Shapes of batches whose steps cannot be replayed, and why."""
        return {shape: why for replica in self._replicas for shape, why in replica.steps.refused.items()}

    def rest(self) -> None:
        """Give back the memory of replays until the next step; gradients stay where the model has them."""
        for replica in self._replicas:
            replica.steps.give_back()

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def _run_wave(self, jobs: list[Job], *, first: bool) -> list[float]:
        """The losses of micro-batches run side by side, one in this thread; their gradients are added in order."""
        config = getattr(self.model, "config", None)
        if config is not self._config:
            self._config, self._replicas = config, []  # a replica is the model as it was at its first step
        while len(self._replicas) < len(jobs):
            self._replicas.append(Replica(self.model, self._masters, self._streams, repeats=self.repeats))
        team = self._replicas[: len(jobs)]
        futures = []
        if self._pool is not None:
            futures = [self._pool.submit(r.run, *job) for r, job in zip(team[1:], jobs[1:], strict=True)]
        try:
            losses = [team[0].run(*jobs[0])]
        finally:
            if futures:
                wait(futures)  # also when this thread's micro-batch failed: no one may still be writing
        losses += [future.result() for future in futures]
        for master, *leaves in zip(self._masters, *[replica.leaves for replica in team], strict=True):
            _collect(master, leaves, first)
        if any(replica.steps.refused for replica in team):
            self._warn_once()
        return losses

    def _warn_once(self) -> None:
        for why in self.refused.values():
            if why not in self._told:
                self._told.add(why)
                text = f"training steps are worked out by the graph and not replayed, which takes longer: {why}"
                warnings.warn(NanochatWarning(text), stacklevel=2)

    def _draw_seeds(self) -> list[int]:
        """A seed of each of the model's random streams, for one micro-batch: drawn in order, whoever runs it."""
        return [int(rng.integers(1 << 63)) for rng in self._streams.values()]


class Replica:
    """A copy of a tree of Modules: the same weights, leaves and random streams of its own, all else shared."""

    def __init__(self, model: Any, masters: Sequence[Tensor], keys: Iterable[int], *, repeats: bool) -> None:
        self.masters = masters
        self.leaves = [Tensor(master.data, requires_grad=True) for master in masters]
        streams = {key: np.random.default_rng(0) for key in keys}
        leaves = {id(master): leaf for master, leaf in zip(masters, self.leaves, strict=True)}
        self.steps = Steps(_copy(model, leaves | streams), self.leaves, list(streams.values()), repeats=repeats)

    def run(self, batch: tuple[Any, ...], weight: float, seeds: Sequence[int]) -> float:
        """The loss of a micro-batch; its gradient, times weight, is in the leaves' `grad`."""
        for master, leaf in zip(self.masters, self.leaves, strict=True):
            leaf.data = master.data  # an optimizer made meanwhile has moved it
        with (
            one_blas_thread(),
            np.errstate(all="ignore"),
        ):  # a run that diverges is stopped by name, not by warnings of each thread
            return self.steps.run(batch, weight, seeds)


def _collect(master: Tensor, leaves: list[Tensor], first: bool) -> None:
    """master.grad = the leaves' gradients, added in order; to what earlier waves found, unless this is the first."""
    total = master.grad
    if total is None:
        total = master.grad = np.zeros_like(master.data)
    found = [leaf.grad for leaf in leaves if leaf.grad is not None]
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


def _copy(item: Any, replaced: Mapping[int, Any]) -> Any:
    """The tree with every object in `replaced`, by id, exchanged; what is neither Module nor list is shared."""
    if id(item) in replaced:
        return replaced[id(item)]
    if isinstance(item, Module):
        twin = object.__new__(type(item))
        vars(twin).update({name: _copy(child, replaced) for name, child in vars(item).items()})
        return twin
    if type(item) in (list, tuple):
        return type(item)(_copy(child, replaced) for child in item)
    return item


def _generators(item: Any, found: dict[int, np.random.Generator]) -> dict[int, np.random.Generator]:
    """Every numpy Generator in the tree of Modules, once, by id, in order."""
    if isinstance(item, np.random.Generator):
        found[id(item)] = item
    elif isinstance(item, (list, tuple)):
        for child in item:
            _generators(child, found)
    elif isinstance(item, Module):
        _generators(list(vars(item).values()), found)
    return found
