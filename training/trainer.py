"""The training loop: the same fifteen lines for numbers and for arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..data.batches import Batch
from ..models.base import Model
from .guards import check_gradient, check_loss, check_weights, weight_norm
from .hyperparameters import TrainingConfig
from .schedule import decay_factor, learning_rate, momentum


@dataclass(frozen=True)
class StepMetrics:
    """One optimizer step; `loss` is in nats a token, measured before the weights moved."""

    step: int
    """Steps done, this one included."""
    loss: float
    lr: float
    grad_norm: float
    """Global L2 norm before clipping."""
    n_tokens: int
    """Targets that counted."""


class Optimizer(Protocol):
    """What both engines' optimizers offer."""

    @property
    def slots(self) -> tuple[str, ...]: ...
    def zero_grad(self) -> None: ...
    def clip_gradients(self) -> float: ...
    def adjust(self, *, momentum: float, decay_factor: float) -> None: ...
    def step(self, lr: float) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


BatchAt = Callable[[int], Batch]
"""Micro-batch number -> batch: a pure function, so that any step can be taken up again."""

Accumulate = Callable[[Sequence[Batch]], float]
"""Adds the gradient of the token-weighted mean loss of the micro-batches to the weights' `grad`; returns that loss."""


def train_steps(
    model: Model,
    optimizer: Optimizer,
    accumulate: Accumulate,
    batch_at: BatchAt,
    config: TrainingConfig,
    start: int = 0,
) -> Iterator[StepMetrics]:
    """Yield after every optimizer step from `start` to `config.steps`.

    Raises DivergedError at the step whose loss, gradient or weights are not finite or too large. A bad loss or gradient
    moves no weight, nor does a weight that is bad before the first step.
    """
    check_weights(model, start, config.max_weight)
    for step in range(start, config.steps):
        batches = [batch_at(step * config.micro_batches + i) for i in range(config.micro_batches)]
        optimizer.zero_grad()
        loss = accumulate(batches)
        check_loss(loss, model, step + 1, config.max_loss)
        grad_norm = optimizer.clip_gradients()
        check_gradient(grad_norm, model, step + 1, config.max_gradient)
        lr = learning_rate(step, config)
        if config.momentum_schedule != "constant" or config.weight_decay_schedule != "constant":
            optimizer.adjust(momentum=momentum(step, config), decay_factor=decay_factor(step, config))
        optimizer.step(lr)
        check_weights(model, step + 1, config.max_weight, weight_norm(optimizer))
        yield StepMetrics(step + 1, loss, lr, grad_norm, sum(batch.n_targets for batch in batches))


def accumulate_in_turn(model: Model) -> Accumulate:
    """Micro-batches one after the other, each weighted by its share of the tokens."""

    def accumulate(batches: Sequence[Batch]) -> float:
        n_tokens = max(1, sum(batch.n_targets for batch in batches))
        return sum(_add_gradient(model, batch, batch.n_targets / n_tokens) for batch in batches)

    return accumulate


def _add_gradient(model: Model, batch: Batch, share: float) -> float:
    """A function of its own, so that the graph of one micro-batch is gone before the next is built."""
    loss = model.loss(*batch) * share
    loss.backward()
    return float(loss)
