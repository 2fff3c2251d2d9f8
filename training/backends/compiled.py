"""Training in single numbers that are replayed as arrays, and compared with the engine of numbers now and then."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import numpy as np

from ...data.batches import Batch
from ...engine.module import shape_of
from ...errors import GuardError, NanochatWarning
from ...models.base import DType, Model, ModelConfig
from ..hyperparameters import TrainingConfig
from ..trainer import Accumulate, Optimizer, accumulate_in_turn
from .base import OneProcess, build_optimizer, n_parameters, n_slots
from .replay import MOST_BYTES, NO_REPLAY, PROGRAMS, TOLERANCE, Replayed, Shape, error_of, rows_of
from .scalar import ScalarBackend

_MANY = 64
"""Shapes beside which it is said that each step has one of its own."""


class CompiledBackend(OneProcess):
    """The engine of Values for what is traced and checked, that of Tensors for what moves the weights."""

    name = "python"

    eval_rows = 16
    """As many as are replayed side by side."""

    def __init__(self) -> None:
        self._engine = ScalarBackend()

    def precision(self, dtype: str) -> DType:
        return self._engine.precision(dtype)

    def check(self, model: ModelConfig, settings: TrainingConfig) -> None:
        """Raises ConfigError for what only arrays do."""
        self._engine.check(model, settings)

    def replicas(self, settings: TrainingConfig, block_size: int) -> int:
        return self._engine.replicas(settings, block_size)

    def trained(self, model: Model) -> Model:
        return Replayed(model)

    def optimizer(self, model: Model, settings: TrainingConfig) -> Optimizer:
        from ...engine.tensor import optim

        return build_optimizer({"sgd": optim.SGD, "adam": optim.Adam, "adamw": optim.AdamW}, model, settings)

    def accumulate(self, model: Model, settings: TrainingConfig) -> Accumulate:
        return Replay(cast("Replayed", model), settings.check_every)

    def session(self) -> AbstractContextManager[None]:
        return self._engine.session()

    def kept_bytes(self) -> int:
        """Of the programs so far."""
        return PROGRAMS.n_bytes

    def peak_bytes(self, model: ModelConfig, settings: TrainingConfig, dtype: DType, T: int) -> int:
        """What the engine takes for a step, to trace and to compare; weights, slots and a copy of both; programs."""
        engine = self._engine.peak_bytes(model, settings, dtype, T)
        return engine + n_parameters(model) * 8 * (4 + 2 * n_slots(settings)) + MOST_BYTES


class Replay:
    """`accumulate` of the training loop: a step is replayed, and compared at the first of a shape and at every N."""

    def __init__(self, model: Replayed, check_every: int) -> None:
        self.model, self.check_every = model, check_every
        self.seen: set[Shape] = set()
        self.n_steps = 0
        self.has_warned = False

    def __call__(self, batches: Sequence[Batch]) -> float:
        """Raises GuardError where the engine finds another loss or gradient."""
        self.n_steps += 1
        rows = [row for batch in batches for row in rows_of(batch)]
        n_targets = max(1, sum(len(row.shape.counted) for row in rows))
        shapes = {row.shape for row in rows}
        is_checked = not shapes <= self.seen or (self.check_every and self.n_steps % self.check_every == 0)
        self.seen |= shapes
        before = [_gradient(weight) for weight in self.model.parameters()] if is_checked else []
        loss = self.model.replay(rows, [len(row.shape.counted) / n_targets for row in rows])
        if is_checked:
            found = [_gradient(weight) - old for weight, old in zip(self.model.parameters(), before, strict=True)]
            self._compare(batches, loss, found)
            self._warn_of_many_shapes()
        return loss

    def _compare(self, batches: Sequence[Batch], loss: float, gradients: list[np.ndarray]) -> None:
        """The step again, by the engine."""
        engine = self.model.engine
        engine.load_state_dict(self.model.state_dict())
        for parameter in engine.parameters():
            _zero(parameter)
        expected = accumulate_in_turn(engine)(batches)
        errors = {"loss": error_of(np.array(loss), np.array(expected))}
        for (name, parameter), gradient in zip(engine.named_parameters(), gradients, strict=True):
            errors[f"gradient of {name}"] = error_of(gradient, _gradient(parameter))
        wrong = max(errors, key=lambda name: errors[name])
        if errors[wrong] > TOLERANCE:
            raise GuardError(
                f"the replayed step {self.n_steps} of this session gives loss {loss:.9g} and the engine "
                f"{expected:.9g}, and the {wrong} is {errors[wrong]:.1e} off: {NO_REPLAY}"
            )

    def _warn_of_many_shapes(self) -> None:
        n = len(self.seen)
        if n > max(_MANY, self.n_steps / 2) and not self.has_warned:
            self.has_warned = True
            warnings.warn(
                NanochatWarning(
                    f"{n} shapes in {self.n_steps} steps: tracing each takes longer than the step itself, and those "
                    f"used last are kept in {MOST_BYTES >> 20} MiB; rows of equal length, or training.compile=false, "
                    "are faster"
                ),
                stacklevel=2,
            )


def _gradient(parameter: Any) -> np.ndarray:
    """A copy, of a Tensor or a nested list of Values."""
    if hasattr(parameter, "shape"):
        return np.zeros(parameter.shape) if parameter.grad is None else parameter.grad.copy()
    return np.array(_gradients(parameter)).reshape(shape_of(parameter))


def _gradients(item: Any) -> Any:
    return [_gradients(child) for child in item] if isinstance(item, list) else item.grad


def _zero(item: Any) -> None:
    if isinstance(item, list):
        for child in item:
            _zero(child)
    else:
        item.grad = 0.0
