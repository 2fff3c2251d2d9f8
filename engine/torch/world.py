"""The processes of one run, as torchrun starts them, each with a share of every step's micro-batches.

Nothing here is a collective of our own: gloo adds on processors, NCCL on CUDA. Process r of N computes micro-batches
r, r + N, ...; the sum of two is the same in either order, so that two processes give what one gives, to the bit.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from ...errors import ConfigError, GuardError
from ...machine import Processes

_WAIT = dt.timedelta(minutes=10)
"""For a process that is slow, not gone: one that has ended closes its connections, and is noticed at once."""


class World:
    """All processes of a run; alone there is nobody to wait for."""

    def __init__(self, processes: Processes, device: torch.device) -> None:
        self.rank, self.size, self.device = processes.rank, processes.size, device

    @contextmanager
    def joined(self, signs: Iterable[str]) -> Iterator[None]:
        """Inside, the processes act together. `signs`, each `name=value`, are what all of them have to have.

        Raises ConfigError where they differ, GuardError where a process has ended.
        """
        if self.size == 1:
            yield
            return
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        with one_sentence():
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo", timeout=_WAIT)
        try:
            with one_sentence():
                self._compare(signs)
                yield
        finally:
            dist.destroy_process_group()

    @property
    def together(self) -> bool:
        return self.size > 1 and dist.is_initialized()

    def share(self, items: Sequence[Any]) -> Sequence[Any]:
        """Those of this process."""
        return items[self.rank :: self.size] if self.together else items

    def sum_(self, vector: torch.Tensor) -> None:
        """Replace a vector by the sum of all processes'."""
        if self.together:
            dist.all_reduce(vector)

    def gather(self, vector: torch.Tensor) -> list[torch.Tensor]:
        """Those of all processes, in their order."""
        if not self.together:
            return [vector]
        found = [torch.empty_like(vector) for _ in range(self.size)]
        dist.all_gather(found, vector)
        return found

    def any(self, flag: bool) -> bool:
        """Whether it is so in one of them."""
        if not self.together:
            return flag
        found = torch.tensor([float(flag)], device=self.device)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return bool(found.item())

    def map(self, function: Callable[[Any], np.ndarray], items: Iterable[Any]) -> Iterator[np.ndarray]:
        """`function` of each item, in order, on every process: each computes its share. Vectors of one dtype."""
        if not self.together:
            yield from map(function, items)
            return
        every = list(items)
        mine = [function(item) for item in self.share(every)]
        lengths = self._gather_rows([np.array([len(row) for row in mine], np.float64)], -(-len(every) // self.size))
        width = int(lengths.sum(axis=1).max(initial=0))
        rows = self._gather_rows(mine, width)
        ends = np.cumsum(lengths, axis=1).astype(int)
        for i in range(len(every)):
            owner, turn = i % self.size, i // self.size
            yield rows[owner, ends[owner, turn] - int(lengths[owner, turn]) : ends[owner, turn]]

    def _gather_rows(self, parts: Sequence[np.ndarray], width: int) -> np.ndarray:
        """What each process has, joined and filled up with zeros       -> (size, width) float64"""
        row = np.zeros(width)
        joined = np.concatenate(parts) if parts else row[:0]
        row[: len(joined)] = joined
        # float64, and MPS has none: there is one process on it
        return np.stack([found.cpu().numpy() for found in self.gather(torch.from_numpy(row).to(self.device))])

    def _compare(self, signs: Iterable[str]) -> None:
        for sign in signs:
            name, _, value = sign.partition("=")
            number = int.from_bytes(hashlib.sha256(value.encode()).digest()[:7], "big")
            found = [int(x.item()) for x in self.gather(torch.tensor([number], device=self.device))]
            if len(set(found)) > 1:
                other = next(rank for rank, x in enumerate(found) if x != found[0])
                raise ConfigError(
                    f"process {other} of {self.size} differs from process 0 in its {name}: start all with the same "
                    "command, on files that are the same everywhere"
                )


@contextmanager
def one_sentence() -> Iterator[None]:
    """Raises GuardError where torch.distributed says that another process is gone."""
    try:
        yield
    except dist.DistError as error:
        raise GuardError(_gone(error)) from error
    except RuntimeError as error:
        if not _is_of_gloo(error):
            raise
        raise GuardError(_gone(error)) from error


def _gone(error: Exception) -> str:
    text = re.sub(r"\[/[^]]*\] *", "", str(error)).strip()  # without the place in gloo's sources
    why = text.splitlines()[0].split(". ")[0][:120]
    return (
        f"another process of this run has ended, or cannot be reached ({why}): see what it said, then go on from the "
        "last checkpoint"
    )


def _is_of_gloo(error: RuntimeError) -> bool:
    """It raises plain RuntimeErrors with the place in its sources."""
    text = str(error)
    return any(word in text for word in ("gloo", "Connection closed by peer", "Connection reset", "ncclRemoteError"))
