"""How long a run will take: a few real steps on the run's own model and batches, then a rule of three."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..data.batches import Batch
from ..errors import DivergedError
from .evaluate import evaluate
from .prepare import Session
from .trainer import train_steps

_BUDGET_S = 1.0
"""Seconds for steps; as many again for evaluation."""
_MOST_STEPS = 20


@dataclass(frozen=True)
class Forecast:
    """What was measured, and what follows from it."""

    tokens_per_step: int
    """Predictions that count, the mean over the first steps."""
    calibration_steps: int
    """Steps that were run; 0 where one alone is too long, and was judged by a single row."""
    calibration_s: float
    seconds: float
    """Of training and evaluation, from the first step to the last."""


def forecast(session: Session) -> Forecast:
    """Run for about two seconds and extrapolate. The session's model has then moved: build another to train.

    A single row is computed however long it takes.
    """
    start = time.perf_counter()
    with session.config.engine.session(), np.errstate(all="ignore"):
        step_s, n_steps, n_tokens = _time_steps(session)
        evaluation_s = _time_evaluation(session)
    settings = session.config.training
    n_evaluations = 2 + (max(0, settings.steps - 1) // settings.eval_every if settings.eval_every else 0)
    return Forecast(
        tokens_per_step=n_tokens,
        calibration_steps=n_steps,
        calibration_s=time.perf_counter() - start,
        seconds=settings.steps * step_s + (n_evaluations if settings.steps else 1) * evaluation_s,
    )


def _time_steps(session: Session) -> tuple[float, int, int]:
    """Seconds a step, the steps behind the figure, tokens a step."""
    settings, batch_at = session.config.training, session.batches.batch
    n_tokens = round(np.mean([batch_at(i).n_targets for i in range(8)]) * settings.micro_batches)
    one = _first_row(batch_at(0))
    row_s = _seconds(lambda: session.accumulate([one]))
    if row_s < _BUDGET_S / 4:
        row_s = _seconds(lambda: session.accumulate([one]))  # the first one reserved memory
    estimate = row_s * max(1, n_tokens) / max(1, one.n_targets) / max(1, settings.replicas)
    if estimate > _BUDGET_S:
        return estimate, 0, n_tokens
    length = max(1, min(settings.steps, _MOST_STEPS))
    steps = train_steps(session.model, session.optimizer, session.accumulate, batch_at, replace(settings, steps=length))
    times: list[float] = []
    try:
        while len(times) < length and sum(times) < _BUDGET_S:
            times.append(_seconds(lambda: next(steps)))
    except (DivergedError, OverflowError):  # training will say so; here the steps until then are enough
        pass
    if not times:
        return estimate, 0, n_tokens
    warm = times[3:] or times  # slower are a shape's first step, the one that is recorded, and the one that is compared
    return sum(warm) / len(warm), len(times), n_tokens


def _time_evaluation(session: Session) -> float:
    """Seconds of one evaluation, from as many of its batches as there is time for."""
    token_bytes = session.dataset.tokenizer.token_bytes()
    sizes = [batch.n_targets for batch in session.validation()]
    one = _first_row(next(session.validation()))
    row_s = _seconds(lambda: evaluate(session.model, [one], token_bytes))
    if row_s * sizes[0] / max(1, one.n_targets) > _BUDGET_S:
        return row_s * sum(sizes) / max(1, one.n_targets)
    spent, seen = 0.0, 0
    for batch in session.validation():
        spent += _seconds(partial(evaluate, session.model, [batch], token_bytes))
        seen += batch.n_targets
        if spent > _BUDGET_S:
            break
    return spent * sum(sizes) / max(1, seen)


def _first_row(batch: Batch) -> Batch:
    return Batch(batch.inputs[:1], batch.targets[:1])


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
