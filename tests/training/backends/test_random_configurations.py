"""Fifty random transformers train alike by the engine and by replay: every switch, ignored targets, segments."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanochat.data.batches import Batch
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.models.parameters import count_parameters
from nanochat.training.backends import backend_of
from nanochat.training.hyperparameters import TrainingConfig
from nanochat.training.trainer import BatchAt, train_steps

sys.path.append(str(Path(__file__).parents[2] / "reliability"))  # the harness, which draws them for PyTorch too
from random_configs import draw_config

TOLERANCE = 1e-12
"""Of |a - b| / max(1, |b|)"""
MOST_PARAMETERS = 5_000
OPTIMIZERS: list[dict[str, Any]] = [{"optimizer": "adamw"}, {"optimizer": "adam"}, {"optimizer": "sgd", "lr": 0.1}]


def draw(i: int) -> tuple[GPTConfig, TrainingConfig, BatchAt]:
    """Trial i: an architecture, an optimizer, batches of one shape: other tokens at each step, or training would end at
    gradients of 0, where roundings decide which way Adam goes."""
    r, rng = random.Random(f"replay {i}"), np.random.default_rng([7, i])
    config = draw_config(r, is_small=True)
    while count_parameters(config.parameters()) > MOST_PARAMETERS:
        config = draw_config(r, is_small=True)
    B, T = r.choice((1, 1, 2, 3)), r.randint(1, config.block_size)
    ignored = rng.random((B, T)) < r.choice((0.0, 0.0, 0.4))
    segments = r.choice((None, None, np.sort(rng.integers(0, 3, (B, T)), 1)))

    def batch_at(position: int) -> Batch:
        inputs, targets = np.random.default_rng([i, position]).integers(0, config.vocab_size, (2, B, T))
        return Batch(inputs, np.where(ignored, -1, targets), segments)

    return config, TrainingConfig(**r.choice(OPTIMIZERS)), batch_at


def losses(i: int, steps: int, *, compiled: bool) -> list[float]:
    config, settings, batch_at = draw(i)
    backend = backend_of("scalar", compiled=compiled)
    model = backend.trained(build_model(config, "scalar"))
    model.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(i)))
    optimizer, accumulate = backend.optimizer(model, settings), backend.accumulate(model, settings)
    with backend.session(), np.errstate(all="ignore"):
        found = train_steps(model, optimizer, accumulate, batch_at, settings)
        return [next(found).loss for _ in range(steps)]


def assert_alike(i: int, steps: int) -> None:
    expected = losses(i, steps, compiled=False)
    error = np.abs(np.subtract(losses(i, steps, compiled=True), expected)) / np.maximum(1.0, np.abs(expected))
    assert error.max() <= TOLERANCE, draw(i)


@pytest.mark.parametrize("i", range(50))
def test_ten_steps_are_those_of_the_engine(i):
    assert_alike(i, 10)


@pytest.mark.slow
@pytest.mark.parametrize("i", range(50))
def test_a_hundred_steps_are_those_of_the_engine(i):
    assert_alike(i, 100)
