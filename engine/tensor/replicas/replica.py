"""Replicas: copies of a model that share its weights and have gradients of their own; at work here or in a thread."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from ....machine import one_blas_thread
from ...module import Module
from ..recording import Array
from ..steps import Steps
from ..tensor import Tensor

Job = tuple[tuple[Any, ...], float, list[int]]
"""A micro-batch, its weight, and the seeds of its random streams."""


class Replica:
    """A copy of a tree of Modules: the same weights, leaves and random streams of its own, all else shared.

    `start` and `finish` are one micro-batch, here in the thread that asks.
    """

    def __init__(self, model: Any, masters: Sequence[Tensor], keys: Iterable[int], *, repeats: bool) -> None:
        self.masters = masters
        self.leaves = [Tensor(master.data, requires_grad=True) for master in masters]
        streams = {key: np.random.default_rng(0) for key in keys}
        leaves = {id(master): leaf for master, leaf in zip(masters, self.leaves, strict=True)}
        self.steps = Steps(_copy(model, leaves | streams), self.leaves, list(streams.values()), repeats=repeats)
        self._job: Job | None = None

    def run(self, batch: tuple[Any, ...], weight: float, seeds: Sequence[int]) -> float:
        """The loss of a micro-batch; its gradient, times weight, is in the leaves' `grad`."""
        for master, leaf in zip(self.masters, self.leaves, strict=True):
            leaf.data = master.data  # an optimizer made meanwhile has moved it
        with (
            one_blas_thread(),
            np.errstate(all="ignore"),
        ):  # a run that diverges is stopped by name, not by warnings of each thread
            return self.steps.run(batch, weight, seeds)

    @property
    def gradients(self) -> list[Array | None]:
        """Of the leaves, until the next micro-batch."""
        return [leaf.grad for leaf in self.leaves]

    @property
    def n_replayed(self) -> int:
        """Shapes of batches whose steps are replayed."""
        return self.steps.n_replayed

    @property
    def refused(self) -> dict[Any, str]:
        """Shapes of batches whose steps cannot be replayed, and why."""
        return self.steps.refused

    def start(self, job: Job) -> None:
        """Take the job on."""
        self._job = job

    def finish(self, deadline: float = math.inf) -> tuple[float, list[Array | None]]:
        """Loss and gradients of the job, which is waited for until then (time.monotonic) where others do it.

        Raises what the model raises.
        """
        job, self._job = self._job, None
        assert job is not None
        return self.run(*job), self.gradients

    def wait(self) -> None:
        """Until nobody is at work any more, whatever came of the job."""

    def rest(self) -> None:
        """Give back the memory of replays until the next job."""
        self.steps.give_back()

    def close(self) -> None:
        """End what works for it."""


class Threaded(Replica):
    """A replica in a thread of a pool."""

    def __init__(self, pool: ThreadPoolExecutor, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.pool = pool
        self._future: Future[float] | None = None

    def start(self, job: Job) -> None:
        self._future = self.pool.submit(self.run, *job)

    def finish(self, deadline: float = math.inf) -> tuple[float, list[Array | None]]:
        assert self._future is not None
        return self._future.result(), self.gradients

    def wait(self) -> None:
        if self._future is not None:  # an interrupt may come before it is asked
            wait([self._future])


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


def generators(item: Any, found: dict[int, np.random.Generator]) -> dict[int, np.random.Generator]:
    """Every numpy Generator in the tree of Modules, once, by id, in order."""
    if isinstance(item, np.random.Generator):
        found[id(item)] = item
    elif isinstance(item, (list, tuple)):
        for child in item:
            generators(child, found)
    elif isinstance(item, Module):
        generators(list(vars(item).values()), found)
    return found
