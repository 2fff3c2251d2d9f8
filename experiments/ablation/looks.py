"""Seeds until a study is decided: run up to the next look, note the look, read it, go on with what is open."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..statistics.sequential import Decision, SequentialPlan, decide
from .cells import CellResult, compared_loss
from .grid import AblationConfig, Cell


def until_decided(
    config: AblationConfig,
    run: Callable[[Sequence[Cell]], Mapping[str, CellResult | None]],
    note: Callable[[AblationConfig], None],
) -> AblationConfig:
    """The study with the looks that were taken and the variants that they decided.

    `run` gives results by key, without those that somebody stopped; `note` keeps the study. A look is noted before it
    is read: whoever stops there and starts again has taken it. Where `run` was stopped, so is this.
    """
    config = replace(config, decided={})
    for n in config.looks:
        cells = [cell for cell in config.cells() if cell.config.seed < config.base.seed + n]
        found = run(cells)
        if any(found.get(cell.key) is None for cell in cells):
            return config
        if n not in config.looked:
            config = replace(config, looked=(*config.looked, n))
            note(config)
        decision = look(config, found, n)
        others = [name for name in config.variants if name != config.baseline]
        config = replace(config, decided={
            name: seeds
            for name, seeds, verdict in zip(others, decision.n_seeds, decision.verdicts, strict=True)
            if verdict != "open" and seeds < config.seeds
        })  # fmt: skip
        note(config)
        if decision.stop:
            break
    return config


def plan_of(config: AblationConfig) -> SequentialPlan:
    """The looks as the test has them."""
    return SequentialPlan(looks=config.looks, alpha=config.alpha, margin=config.margin)


def look(config: AblationConfig, found: Mapping[str, CellResult | None], n_seeds: int) -> Decision:
    """What the first seeds of the study decide."""
    return decide(differences(config, found, n_seeds), plan_of(config))


def differences(config: AblationConfig, found: Mapping[str, CellResult | None], n_seeds: int) -> np.ndarray:
    """Each variant's loss minus the baseline's, seed by seed.       -> (n_seeds, variants - 1)

    inf and -inf where the variant's or the baseline's run diverged, nan where both did, or a run is not there.
    """
    losses = losses_by_seed(config, found, n_seeds)
    return minus(losses[:, 1:], losses[:, :1])  # the baseline is the first variant


def losses_by_seed(config: AblationConfig, found: Mapping[str, CellResult | None], n_seeds: int) -> np.ndarray:
    """The compared loss of each run: inf where it diverged, nan where it is not there.   -> (n_seeds, variants)"""
    losses, columns = np.full((n_seeds, len(config.variants)), np.nan), list(config.variants)
    loss_of = compared_loss(result for result in found.values() if result is not None)
    for cell in config.cells():
        i, result = cell.config.seed - config.base.seed, found.get(cell.key)
        if i < n_seeds and result is not None and result.is_finished:
            losses[i, columns.index(cell.variant)] = loss_of(result) if result.is_ok else math.inf
    return losses


def minus(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Difference of losses; nan of two runs that diverged: they are tied, and say nothing."""
    with np.errstate(invalid="ignore"):
        return np.asarray(one - other)
