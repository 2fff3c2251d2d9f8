"""The same budget for all variants: how many steps each gets for the baseline's tokens, or its arithmetic."""

from __future__ import annotations

from dataclasses import replace

from ..errors import ConfigError
from ..models.flops import flops_per_token
from ..training.config import RunConfig
from ..training.prepare import prepare
from .grid import AblationConfig, Budget

_SAMPLED = 64
"""Micro-batches whose tokens are counted: documents have different lengths."""


def share_budget(study: AblationConfig) -> AblationConfig:
    """The study with the steps of each variant. Raises ConfigError, DataError, as a run would.

    tokens: steps times the mean number of targets in a step; flops: that times flops_per_token.
    """
    if study.budget == "steps":
        return replace(study, steps={})
    if "training.steps" in study.axes:
        raise ConfigError(
            f"training.steps is an axis, so no budget of {study.budget} can be kept: choose one of the two"
        )
    plain = replace(study, steps={})
    costs = {name: cost_of_step(config, study.budget) for name, config in plain.variants.items()}
    total = study.base.training.steps * costs[study.baseline]
    steps = {name: max(1, round(total / cost)) for name, cost in costs.items()}
    return replace(study, steps={name: n for name, n in steps.items() if n != study.base.training.steps})


def cost_of_step(config: RunConfig, budget: Budget) -> float:
    """Tokens or operations in one step, on average over the first."""
    if budget == "steps":
        return 1.0
    workshop = prepare(config)
    tokens = sum(workshop.batches.batch(i).n_targets for i in range(_SAMPLED)) / _SAMPLED
    tokens *= workshop.config.training.micro_batches
    return tokens * flops_per_token(workshop.config.model) if budget == "flops" else tokens
