"""The same budget for all variants: how many steps each gets for the baseline's tokens, or its arithmetic."""

from __future__ import annotations

from dataclasses import replace

from ..errors import ConfigError
from ..models.flops import flops_per_token
from ..training.config import RunConfig
from ..training.prepare import Workshop, prepare
from .grid import AblationConfig, Budget

_SAMPLED = 64
"""Micro-batches whose tokens are counted: documents have different lengths."""


def share_budget(study: AblationConfig) -> AblationConfig:
    """The study with the steps of each variant: the whole number that comes nearest to the baseline's budget.

    tokens: steps times the mean number of targets in a step; flops: that times flops_per_token.
    Raises ConfigError, DataError, as a run would.
    """
    plain = replace(study, steps={}, budget_asked=0, budget_given={})
    if study.budget == "steps":
        return plain
    for path in ("training.steps", "training.epochs"):
        if path in study.axes:
            raise ConfigError(f"{path} is an axis, so no budget of {study.budget} can be kept: choose one of the two")
    settings = study.base.training
    if settings.patience:
        raise ConfigError(
            f"patience={settings.patience} may end runs before their budget of {study.budget} is spent: give "
            "--patience 0, or --budget steps"
        )
    costs = {name: cost_of_step(config, study.budget) for name, config in plain.variants.items()}
    baseline = plain.variants[plain.baseline]
    n_steps = prepare(baseline).config.training.steps if settings.epochs else settings.steps
    total = n_steps * costs[plain.baseline]
    steps = {name: max(1, round(total / cost)) for name, cost in costs.items()}
    return replace(
        plain,
        steps={name: n for name, n in steps.items() if n != settings.steps or settings.epochs},
        budget_asked=round(total),
        budget_given={name: round(n * costs[name]) for name, n in steps.items()},
    )


def cost_of_step(config: RunConfig, budget: Budget) -> float:
    """Tokens or operations in one step, on average over the first."""
    if budget == "steps":
        return 1.0
    workshop = prepare(config)
    tokens = tokens_per_step(workshop)
    return tokens * flops_per_token(workshop.config.model) if budget == "flops" else tokens


def tokens_per_step(workshop: Workshop) -> float:
    """Targets in one step, on average over the first."""
    tokens = sum(workshop.batches.batch(i).n_targets for i in range(_SAMPLED)) / _SAMPLED
    return tokens * workshop.config.training.micro_batches
