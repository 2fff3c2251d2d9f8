"""Our answers to what nanochat is asked, in its names, in NumPy."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...data.batches import Batch
from ...machine import one_blas_thread
from ...models.base import DType
from ...models.build import build_model
from ...training.backends.numpy import NumpyBackend
from ...training.evaluate import evaluate
from ...training.schedule import decay_factor, learning_rate, momentum
from ...training.trainer import accumulate_in_turn, train_steps
from .case import Case
from .names import as_theirs
from .wire import sampled

VALIDATION = 4
"""Batches that validate."""
LONG, STEPS = 1000, range(0, 1000, 9)
"""Steps of a run that is long enough for every part of the schedules, and those at which they are compared."""
Answers = dict[str, Any]


def answers(case: Case, dtype: DType, tasks: tuple[str, ...], seeds: tuple[int, ...] = (0,)) -> Answers:
    """Of `model`, `update`, `bpb`, `schedules` and `curves`, what the tasks name."""
    work: Mapping[str, Callable[[], Any]] = {
        "model": partial(_look, case, dtype),
        "update": partial(_update, case, dtype),
        "bpb": partial(_bits_per_byte, case, dtype),
        "schedules": partial(_schedules, case),
        "curves": lambda: [curve(case, dtype, seed) for seed in seeds],
    }
    with one_blas_thread():
        return {name: work[name]() for name in tasks}


def _model(case: Case, dtype: DType, weights: Mapping[str, np.ndarray]) -> Any:
    model = build_model(case.model, "tensor", dtype)
    model.load_state_dict(weights)
    return model


def _look(case: Case, dtype: DType) -> Answers:
    model, batch = _model(case, dtype, case.shaken_weights()), batch_of(case.rows_of("look", 1)[0])
    loss = model.loss(*batch)
    loss.backward()
    gradients = {name: np.asarray(parameter.grad) for name, parameter in model.named_parameters()}
    return {
        "logits": model.predict(batch.inputs)[:, -last_logits(case) :],
        "loss": float(loss),
        "gradients": {name: sampled(g) for name, g in as_theirs(case.model, gradients).items()},
    }


def _update(case: Case, dtype: DType) -> Answers:
    """One step with the rates, momentum and decay of `update_at`."""
    model, settings = _model(case, dtype, case.shaken_weights()), case.training
    before, optimizer = model.state_dict(), NumpyBackend().optimizer(model, settings)
    loss = model.loss(*batch_of(case.rows_of("look", 1)[0]))
    optimizer.zero_grad()
    loss.backward()
    step = update_at(case)
    optimizer.adjust(momentum=momentum(step, settings), decay_factor=decay_factor(step, settings))
    optimizer.step(learning_rate(step, settings))
    moved = {name: after - before[name] for name, after in model.state_dict().items()}
    return {name: sampled(change) for name, change in as_theirs(case.model, moved).items()}


def _schedules(case: Case) -> np.ndarray:
    """The rate over its base, the momentum and the decay at STEPS of LONG steps       -> (3, n)"""
    settings = replace(case.training, steps=LONG)
    rates = [learning_rate(step, settings) / settings.lr for step in STEPS]
    decays = [settings.weight_decay * decay_factor(step, settings) for step in STEPS]
    return np.array([rates, [momentum(step, settings) for step in STEPS], decays])


def _bits_per_byte(case: Case, dtype: DType) -> float:
    batches = map(batch_of, case.rows_of("validation", VALIDATION))
    return evaluate(_model(case, dtype, case.shaken_weights()), batches, case.token_bytes()).bits_per_byte


def curve(case: Case, dtype: DType, seed: int = 0) -> Answers:
    """Our trainer, from the first weights of that seed on its batches."""
    model, settings = _model(case, dtype, case.first_weights(seed)), case.training
    rows, losses, seconds = case.batches(str(seed)), list[float](), list[float]()
    optimizer = NumpyBackend().optimizer(model, settings)
    steps = train_steps(model, optimizer, accumulate_in_turn(model), lambda step: batch_of(rows[step]), settings)
    start = time.perf_counter()
    for metrics in steps:
        losses.append(metrics.loss)
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
    validation = map(batch_of, case.rows_of("validation", VALIDATION))
    return {"losses": losses, "val_loss": evaluate(model, validation, case.token_bytes()).loss, "seconds": seconds}


def batch_of(rows: np.ndarray) -> Batch:
    """(B, T + 1) -> inputs and targets (B, T)"""
    return Batch(rows[:, :-1].copy(), rows[:, 1:].copy())


def last_logits(case: Case) -> int:
    """Tokens at the end of each row whose logits are compared: those with whole windows behind them."""
    return min(case.block_size, 64)


def update_at(case: Case) -> int:
    """The step whose rate the first update is made with: in the fall of the rate, with everything scaled."""
    return case.steps - 2
