"""The learning rate, the momentum and the weight decay at each step, and nothing else."""

from __future__ import annotations

import math

from .hyperparameters import TrainingConfig

_RISES = {"rise": 300, "rise-fall": 400}
"""Steps in which the momentum rises."""


def learning_rate(step: int, config: TrainingConfig) -> float:
    """The rate for step 0 <= step < steps: base rate times warm-up times the shape that `lr_schedule` names.

    constant  1
    linear    1 until the last `warmdown` share of steps W, then (steps - step) / W, which stops short of 0
    sqrt      1 until then, 1 - sqrt((step - (steps - W)) / W) after
    cosine    m + (1 - m) (1 + cos(pi t)) / 2, t from 0 to 1 after warm-up, m = min_lr_ratio
              Loshchilov and Hutter 2016, arXiv:1608.03983
    wsd       as linear, to m in the place of 0, halves of W rounded to even: warm-up, stable, decay
              Hu et al. 2024, arXiv:2404.06395; as nanochat has it
    W is warmdown * steps, halves rounded up. During the first `warmup` steps the rate is (step + 1) / warmup of that.
    """
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    return config.lr * _shape(step, config)


def momentum(step: int, config: TrainingConfig) -> float:
    """The momentum for step 0 <= step < steps.

    constant   momentum
    rise       from 0.85 to it in 300 steps (nanochat, 2026-02)
    rise-fall  from 0.85 to it in 400 steps; to 0.90 while the rate of wsd falls (nanochat, 2026-07)
    """
    if config.momentum_schedule == "constant":
        return config.momentum
    rise = _RISES[config.momentum_schedule]
    width = round(config.warmdown * config.steps)
    into = step - (config.steps - width)
    if step < rise or config.momentum_schedule == "rise" or into < 0 or not width:
        share = min(1.0, step / rise)
        return (1 - share) * 0.85 + share * config.momentum
    return config.momentum * (1 - into / width) + 0.90 * (into / width)


def decay_factor(step: int, config: TrainingConfig) -> float:
    """What the weight decay is multiplied with: 1; linear and cosine begin there and head for 0 at the last step."""
    t = step / max(1, config.steps)
    shapes = {"constant": 1.0, "linear": 1 - t, "cosine": 0.5 * (1 + math.cos(math.pi * t))}
    return shapes[config.weight_decay_schedule]


def epoch_of(step: int, steps_per_epoch: float) -> int:
    """The epoch, from 1, in which step 1, 2, ... begins."""
    return math.floor((step - 1) / steps_per_epoch + 1e-9) + 1  # 1e-9: 3 * (2 / 3) is an epoch's end


def _shape(step: int, config: TrainingConfig) -> float:
    if config.lr_schedule == "cosine":
        t = (step - config.warmup) / max(1, config.steps - config.warmup)
        return config.min_lr_ratio + (1 - config.min_lr_ratio) * 0.5 * (1 + math.cos(math.pi * t))
    if config.lr_schedule == "wsd":
        width = round(config.warmdown * config.steps)
        into = step - (config.steps - width)
        return 1.0 if into <= 0 else 1 - (1 - config.min_lr_ratio) * into / width
    width = math.floor(config.warmdown * config.steps + 0.5)
    into = step - (config.steps - width)
    if config.lr_schedule == "constant" or into <= 0:
        return 1.0
    return 1 - into / width if config.lr_schedule == "linear" else 1 - math.sqrt(into / width)
