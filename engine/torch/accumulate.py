"""The gradient of a step: micro-batches one after the other, shared by the processes of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .model import TorchModel, enough_memory
from .world import World, one_sentence


class Accumulator:
    """`accumulate` of the training loop."""

    def __init__(self, model: TorchModel, world: World, *, deterministic: bool) -> None:
        """deterministic: gradients are added in the order of the micro-batches, however many processes find them."""
        self.model, self.world, self.deterministic = model, world, deterministic

    def __call__(self, batches: Sequence[Any]) -> float:
        """Set the gradient to that of the mean loss of all targets that count; return this loss.

        batches    Of the whole step, (inputs, targets, segments): each process knows them all and computes its share.
        """
        counts = [int(np.count_nonzero(np.asarray(batch[1]) != -1)) for batch in batches]
        n = max(1, sum(counts))
        rng = self.model.dropout_rng
        seeds = [None if rng is None else int(rng.integers(1 << 63)) for _ in batches]
        jobs = [(batch, count / n, seed) for batch, count, seed in zip(batches, counts, seeds, strict=True)]
        rows, length = np.shape(batches[0][0])
        what = f"a micro-batch of {rows} rows of {length} tokens"
        smaller = "training.batch_size, with a larger grad_accum for it" if rows > 1 else "model.block_size"
        smaller += ", model.n_embd or model.n_layer, or use --dtype bfloat16"
        with enough_memory(self.model.device, what, smaller), one_sentence():
            return self._in_order(jobs) if self.deterministic else self._in_turn(jobs)

    def _in_turn(self, jobs: Sequence[tuple[Any, float, int | None]]) -> float:
        """Each process adds up its own, and the sums are added."""
        losses = [self._run(job) for job in self.world.share(jobs)]
        self.world.sum_(self._gradient())
        return self._total(losses)

    def _in_order(self, jobs: Sequence[tuple[Any, float, int | None]]) -> float:
        """One micro-batch of each process at a time; its gradients are added in the order of the micro-batches."""
        gradient = self._gradient()
        total, losses = torch.zeros_like(gradient), []
        for job in self.world.share(jobs):
            gradient.zero_()
            losses.append(self._run(job))
            for found in self.world.gather(gradient):
                total.add_(found)
        gradient.copy_(total)
        return self._total(losses)

    def _run(self, job: tuple[Any, float, int | None]) -> torch.Tensor:
        """The loss of a micro-batch times its share of the targets; its gradient is added."""
        batch, share, seed = job
        if seed is not None:
            torch.manual_seed(seed)
        loss = self.model.loss(*batch) * share
        loss.backward()
        return loss.detach()

    def _total(self, losses: Sequence[torch.Tensor]) -> float:
        """Of all processes, added in the order of the micro-batches: nothing waits for the device before."""
        found = [row.tolist() for row in self.world.gather(torch.stack(list(losses)))]
        return float(sum(loss for turn in zip(*found, strict=True) for loss in turn))

    def _gradient(self) -> torch.Tensor:
        assert self.model.flat is not None, "an optimizer is made before the first step"
        return self.model.flat.grad
