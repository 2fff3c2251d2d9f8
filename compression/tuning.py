"""Training as a part of compression: a run like any other, with something changed in its session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..checkpoints.weights import Snapshot
from ..engine.tensor import Tensor
from ..inference.language_model import LanguageModel
from ..machine import cpu_s
from ..training.config import RunConfig
from ..training.events import Ended, Event
from ..training.folder.record import RunRecord
from ..training.prepare import Session
from ..training.run import run_training
from ..training.trainer import Optimizer

_FEW = 2048
"""Tokens of validation text."""


@dataclass(frozen=True)
class Tuned:
    """What came of a run."""

    model: LanguageModel | None
    """None where it was ended before its last step, or diverged."""
    record: RunRecord
    cpu_s: float
    """Of all threads, from reading the text to the last validation."""

    def snapshot(self) -> Snapshot:
        """The model that came of it."""
        assert self.model is not None, "asked of a run that reached its last step"
        return self.model.snapshot()


def tune(
    config: RunConfig,
    *,
    start: Snapshot | None = None,
    out: Path | None = None,
    adapt: Callable[[Session], Session] = lambda session: session,
    observe: Callable[[Event], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Tuned:
    """Train, from `start` where one is given; with `out`, whose lock the caller holds, everything is written there.

    Raises what `run_training` does.
    """
    kept: list[LanguageModel] = []

    def seen(event: Event) -> None:
        if isinstance(event, Ended):
            kept.append(event.session.language_model)
        observe(event)

    begin = cpu_s()
    record = run_training(
        config, out=out, observe=seen, should_stop=should_stop, start=start, adapt=adapt, locked=out is not None
    )
    whole = kept[0] if kept and record.steps == config.training.steps else None
    return Tuned(whole, record, cpu_s() - begin)


def unwatched(config: RunConfig) -> RunConfig:
    """The same run, validated on little: what is compared is measured on all of the text afterwards."""
    return replace(config, training=replace(config.training, eval_tokens=_FEW))


def tuning_config(config: RunConfig, *, start_from: str, steps: int, lr: float) -> RunConfig:
    """The run's config for a few steps more at a small rate that falls to 0, without weight decay.

    start_from: the model that the weights come from, as a record of it. The next seed: on other batches than it began
    with.
    """
    settings = replace(
        config.training,
        steps=steps,
        epochs=0.0,
        lr=lr,
        lr_schedule="linear",
        warmdown=1.0,
        warmup=min(20, steps // 10),
        weight_decay=0.0,
        eval_every=0,
        sample_every=0,
        checkpoint_every=0,
        patience=0,
    )
    return replace(config, start_from=start_from, seed=config.seed + 1, training=settings)


class Masked:
    """An optimizer that leaves at 0 what a mask leaves out: its gradient is 0, and whatever moved it is undone."""

    def __init__(self, optimizer: Optimizer, model: Any, masks: Mapping[str, np.ndarray]) -> None:
        """masks: 1 and 0 by name, in the shapes of the weights."""
        parameters: dict[str, Tensor] = dict(model.named_parameters())
        self.optimizer = optimizer
        self.pairs = [(parameters[name], mask.astype(parameters[name].data.dtype)) for name, mask in masks.items()]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.optimizer, name)

    def clip_gradients(self) -> float:
        """The norm is of what moves."""
        for parameter, mask in self.pairs:
            if parameter.grad is not None:
                parameter.grad *= mask
        return self.optimizer.clip_gradients()

    def step(self, lr: float) -> None:
        """As the optimizer does it, but for what is left out."""
        self.optimizer.step(lr)
        for parameter, mask in self.pairs:
            parameter.data *= mask


def holding(masks: Mapping[str, np.ndarray]) -> Callable[[Session], Session]:
    """Makes a session one that holds these masks."""
    return lambda session: replace(session, optimizer=Masked(session.optimizer, session.model, masks))
