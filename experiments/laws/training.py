"""Laws of training: parts add up to the whole, clipping clips, a first step has a size that can be told beforehand."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...data.batches import IGNORED, Batch
from ...models.base import Model
from ...training.hyperparameters import TrainingConfig
from ...training.schedule import learning_rate
from ...training.trainer import Accumulate, Optimizer
from .model import gradients_of, weights_of

MakeOptimizer = Callable[[Model, TrainingConfig], Optimizer]


def accumulation_error(model: Model, accumulate: Accumulate, rows: Sequence[Batch]) -> float:
    """How far gradient and loss of micro-batches lie from those of the mean loss over all, relative to the largest.

    rows  Batches of one row each, best of different numbers of targets.
    """
    width = max(row.inputs.shape[1] for row in rows)
    whole = Batch(
        np.concatenate([_padded(row.inputs, width, 0) for row in rows]),
        np.concatenate([_padded(row.targets, width, IGNORED) for row in rows]),
    )
    clear_gradients(model)
    loss, parts = accumulate(list(rows)), gradients_of(model)
    clear_gradients(model)
    mean: Any = model.loss(*whole)  # by nobody who accumulates: a sum in place of the mean would be one there as well
    mean.backward()
    expected, at_once = float(mean), gradients_of(model)
    clear_gradients(model)
    largest = max(float(np.abs(g).max(initial=0)) for g in at_once.values()) or 1.0
    errors = [float(np.abs(parts[name] - g).max(initial=0)) / largest for name, g in at_once.items()]
    return max(*errors, abs(loss - expected) / max(1.0, abs(expected)))


def clipping_error(optimizer: Any, model: Model, batch: Batch, accumulate: Accumulate) -> float:
    """By how much the norm of a gradient still exceeds max_grad_norm after clipping, relative to it.

    The limit is half the norm for as long as it is tried: of a model that has learned it may be under its own.
    """
    optimizer.zero_grad()
    accumulate([batch])
    limit, half = optimizer.max_grad_norm, norm_of(gradients_of(model).values()) / 2
    if not 0 < half < math.inf:
        return math.inf
    optimizer.max_grad_norm = half
    try:
        optimizer.clip_gradients()
    finally:
        optimizer.max_grad_norm = limit
    after = norm_of(gradients_of(model).values())
    optimizer.zero_grad()
    return max(0.0, after / half - 1)


def first_step_error(make: MakeOptimizer, model: Model, settings: TrainingConfig, batch: Batch) -> float:
    """How far the first step of Adam or AdamW lies from lr wherever the gradient is far from 0, relative to lr.

    m_hat / sqrt(v_hat) is the sign of the gradient at step 1, if both are corrected for their bias. Changes weights.
    """
    plain = replace(settings, weight_decay=0.0, max_grad_norm=0.0, agc=0.0, centralize_gradients=False)
    optimizer, lr = make(model, plain), 1e-3
    optimizer.zero_grad()
    model.loss(*batch).backward()
    before, gradients = weights_of(model), gradients_of(model)
    optimizer.step(lr)
    after = weights_of(model)
    moves = np.concatenate([(before[name] - after[name]).ravel() for name in before])
    slopes = np.concatenate([gradients[name].ravel() for name in before])
    far = np.abs(slopes) > max(1e4 * settings.eps, 1e-3 * np.abs(slopes).max())
    return float(np.abs(moves[far] / (lr * np.sign(slopes[far])) - 1).max())


def decay_error(make: MakeOptimizer, model: Model, settings: TrainingConfig) -> float:
    """How far a matrix without gradient lies from p (1 - lr decay) after a step of AdamW, relative to what it lost.

    Changes the weights.
    """
    settings = replace(settings, weight_decay=0.5)
    optimizer, lr = make(model, settings), 0.1
    optimizer.zero_grad()
    before = weights_of(model)
    optimizer.step(lr)
    after, errors = weights_of(model), [0.0]
    for name, weight in before.items():
        if weight.ndim >= 2 and np.abs(weight).max() > 0:
            lost = lr * settings.weight_decay * weight
            errors.append(float(np.abs(weight - after[name] - lost).max() / np.abs(lost).max()))
    return max(errors)


def schedule_error(settings: TrainingConfig) -> float:
    """How far the rate lies from the shape that is named, halfway along its decay, relative to the rate.

    The halfway point of each shape can be told by hand: 1, 1/2, 1 - sqrt(1/2), (1 + min_lr_ratio) / 2.
    """
    decay = settings.warmdown * settings.steps
    width = round(decay) if settings.lr_schedule == "wsd" else math.floor(decay + 0.5)
    start = settings.warmup if settings.lr_schedule == "cosine" else settings.steps - width
    middle = {
        "constant": 1.0,
        "linear": 0.5,
        "sqrt": 1 - math.sqrt(0.5),
        "cosine": (1 + settings.min_lr_ratio) / 2,
        "wsd": (1 + settings.min_lr_ratio) / 2,
    }[settings.lr_schedule]
    half = (start + settings.steps) / 2
    low, high = (learning_rate(min(int(step), settings.steps - 1), settings) for step in (half, math.ceil(half)))
    return abs((low + high) / 2 / settings.lr - middle)


def update_ratio(optimizer: Optimizer, model: Model, batch: Batch, lr: float) -> float:
    """|change of the weights| / |weights| of one step.       Changes the weights."""
    before = weights_of(model)
    optimizer.zero_grad()
    model.loss(*batch).backward()
    optimizer.clip_gradients()
    optimizer.step(lr)
    after = weights_of(model)
    return norm_of(after[name] - before[name] for name in before) / (norm_of(before.values()) or 1.0)


@dataclass(frozen=True)
class Overfit:
    """One batch, learned by heart."""

    first: float
    last: float
    floor: float
    """What no model of this kind can go below: the entropy of what follows equal contexts."""
    unmoved: tuple[str, ...]
    """Parameters of which not one number changed."""

    @property
    def left(self) -> float:
        """Share of the way from the first loss to the floor that is still to go."""
        return (self.last - self.floor) / max(1e-9, self.first - self.floor)


def overfit(make: MakeOptimizer, model: Model, batch: Batch, *, context: int, steps: int, lr: float = 0.01) -> Overfit:
    """Train on one batch for `steps` steps of Adam without decay.       Changes the weights."""
    settings = TrainingConfig(optimizer="adam", steps=steps, lr=lr, weight_decay=0.0, max_grad_norm=1.0)
    optimizer, before = make(model, settings), weights_of(model)
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = model.loss(*batch)
        loss.backward()
        losses.append(float(loss))
        if not math.isfinite(losses[-1]):
            break
        optimizer.clip_gradients()
        optimizer.step(lr * (1 - step / steps))
    after = weights_of(model)
    unmoved = tuple(name for name in before if np.array_equal(before[name], after[name]))
    return Overfit(losses[0], min(losses[-1], math.inf), floor_of(batch, context), unmoved)


def floor_of(batch: Batch, context: int) -> float:
    """Mean entropy of the targets given the last `context` inputs of their row, in nats a target."""
    seen: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for inputs, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
        for t, target in enumerate(targets):
            if target != IGNORED:
                seen[tuple(inputs[max(0, t + 1 - context) : t + 1])][target] += 1
    total = sum(sum(counts.values()) for counts in seen.values())
    surprise = (n * math.log(sum(counts.values()) / n) for counts in seen.values() for n in counts.values())
    return sum(surprise) / max(1, total)


def norm_of(arrays: Any) -> float:
    """L2 norm of all of them together."""
    return math.sqrt(sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays))


def clear_gradients(model: Any) -> None:
    """Set every gradient to 0, in either spelling."""
    for parameter in model.parameters():
        _clear(parameter)


def _clear(parameter: Any) -> None:
    if isinstance(parameter, (list, tuple)):
        for item in parameter:
            _clear(item)
    elif hasattr(parameter, "shape") and parameter.grad is not None:
        parameter.grad[...] = 0
    elif not hasattr(parameter, "shape"):
        parameter.grad = 0.0


def _padded(rows: np.ndarray, width: int, value: int) -> np.ndarray:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=value)
