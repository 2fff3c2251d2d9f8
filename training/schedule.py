"""The learning rate at each step, and nothing else."""

from __future__ import annotations

import math

from .hyperparameters import TrainingConfig


def learning_rate(step: int, config: TrainingConfig) -> float:
    """The rate for step 0 <= step < steps: base rate times warm-up times the shape that `lr_schedule` names.

    constant  1
    linear    1 until the last `warmdown` share of steps W, then (steps - step) / W, which stops short of 0
    sqrt      1 until then, 1 - sqrt((step - (steps - W)) / W) after
    cosine    m + (1 - m) (1 + cos(pi t)) / 2, t from 0 to 1 after warm-up, m = min_lr_ratio
              Loshchilov and Hutter 2016, arXiv:1608.03983
    W is warmdown * steps, halves rounded up. During the first `warmup` steps the rate is (step + 1) / warmup of that.
    """
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    return config.lr * _shape(step, config)


def epoch_of(step: int, steps_per_epoch: float) -> int:
    """The epoch, from 1, in which step 1, 2, ... begins."""
    return math.floor((step - 1) / steps_per_epoch + 1e-9) + 1  # 1e-9: 3 * (2 / 3) is an epoch's end


def _shape(step: int, config: TrainingConfig) -> float:
    if config.lr_schedule == "cosine":
        t = (step - config.warmup) / max(1, config.steps - config.warmup)
        return config.min_lr_ratio + (1 - config.min_lr_ratio) * 0.5 * (1 + math.cos(math.pi * t))
    width = math.floor(config.warmdown * config.steps + 0.5)
    into = step - (config.steps - width)
    if config.lr_schedule == "constant" or into <= 0:
        return 1.0
    return 1 - into / width if config.lr_schedule == "linear" else 1 - math.sqrt(into / width)
