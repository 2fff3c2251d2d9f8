"""What is worth knowing of a study before it takes its hours: notes, each with the flag that changes it."""

from __future__ import annotations

from collections.abc import Iterator

from ...experiments.ablation.axes import read
from ...experiments.ablation.grid import AblationConfig
from ...experiments.statistics.significance import least_seeds
from ...training.resolve import resolve
from .sweep import plural

_NAMED = 8
"""Variants left out that are named."""
_UNEVEN = 0.01
"""A variant that misses its budget by a larger share is told of."""


def notes(config: AblationConfig) -> Iterator[str]:
    """A sentence each."""
    for about in (_axes_without_flags, _what_is_left_out, _uneven_budget, _uneven_seeds, _too_few_seeds):
        yield from about(config)


def _axes_without_flags(config: AblationConfig) -> Iterator[str]:
    """A flag for what the study varies has no effect."""
    for axis in config.axes:
        name = axis.rpartition(".")[2]
        if read(config.base, axis) != read(resolve({"preset": config.base.preset}), axis):
            yield f"{name} is an axis of this study, so its flag has no effect"


def _what_is_left_out(config: AblationConfig) -> Iterator[str]:
    if config.drawn:
        yield f"{config.drawn}, each variant with all its seeds; without --max-cells all are run"
    for name, reason in list(config.skipped.items())[:_NAMED]:
        yield f"{name} is left out: {reason}"
    if config.intended_baseline in config.skipped:
        yield f"{config.baseline} is the baseline, not {config.intended_baseline}: the others are compared with it"
    if len(config.skipped) > _NAMED:
        yield f"{len(config.skipped) - _NAMED} more variants are left out: the report lists them"


def _uneven_budget(config: AblationConfig) -> Iterator[str]:
    """Steps are whole, and few of them miss a budget by much."""
    name, off = max(config.deviations.items(), key=lambda item: abs(item[1]), default=("", 0.0))
    if abs(off) > _UNEVEN:
        yield (
            f"in whole steps {name} gets {_share(off)} than the budget of {_asked(config)}, and no variant is farther "
            "from it: give more --steps to come nearer"
        )


def _uneven_seeds(config: AblationConfig) -> Iterator[str]:
    """The steps of a variant are the same for all its seeds, and documents differ in length."""
    name, off = max(config.budget_farthest.items(), key=lambda item: abs(item[1]), default=("", 0.0))
    if abs(off) > _UNEVEN and abs(off - config.deviations[name]) > _UNEVEN / 10:
        yield (
            f"the budget of {_asked(config)} is kept on average over the seeds, since documents differ in length: a "
            f"single seed misses it by up to {abs(off):.1%} ({name} gets {_share(off)})"
        )


def _share(off: float) -> str:
    return f"{abs(off):.1%} {'more' if off > 0 else 'less'}"


def _asked(config: AblationConfig) -> str:
    return f"{config.budget_asked:,} {'training tokens' if config.budget == 'tokens' else 'operations'}"


def _too_few_seeds(config: AblationConfig) -> Iterator[str]:
    """A study that cannot find anything, however large the difference, should say so before it takes its hours."""
    comparisons = len(config.variants) - 1
    needed = least_seeds(comparisons)
    if config.seeds < needed:
        yield (
            f"{plural(config.seeds, 'seed')} cannot show a difference, since the exact test needs {needed} for "
            f"{plural(comparisons, 'comparison')}: pass --seeds {needed} for verdicts"
        )
