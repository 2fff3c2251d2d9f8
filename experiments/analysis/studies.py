"""Ablations laid side by side: the settings that differ, and what becomes of each variant that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ...errors import ConfigError
from ..ablation.grid import flatten
from ..ablation.study import Study
from ..statistics.intervals import mean, t_interval


def settings_that_differ(studies: Mapping[str, Study]) -> list[dict[str, Any]]:
    """{"field": name, a study's label: its value, ...}, axes and seeds included."""
    all_of_them = {label: _settings(study) for label, study in studies.items()}
    names = dict.fromkeys(name for one in all_of_them.values() for name in one)
    rows = [{"field": name, **{label: one.get(name) for label, one in all_of_them.items()}} for name in names]
    return [row for row in rows if len({repr(row[label]) for label in studies}) > 1]


def variants_shared(studies: Mapping[str, Study]) -> list[dict[str, Any]]:
    """A row for each variant of the first study that another has, too, with the same seeds.

    The losses are means over the seeds that ended well in both; the difference to the first study is taken seed by
    seed, with its 95 % t interval. Raises ConfigError where the studies share nothing.
    """
    (first, base), *others = ((label, _losses(study)) for label, study in studies.items())
    rows = []
    for label, losses in others:
        for variant in base:
            seeds = sorted(base[variant].keys() & losses.get(variant, {}).keys())
            if seeds:
                rows.append(_row(variant, first, label, base[variant], losses[variant], seeds))
    if not rows:
        raise ConfigError(
            f"{' and '.join(studies)} share no variant with the same seed that ended well in both: there is nothing to "
            "compare"
        )
    return rows


def _row(
    variant: str, first: str, second: str, one: Mapping[int, float], other: Mapping[int, float], seeds: Sequence[int]
) -> dict[str, Any]:
    found = t_interval([other[seed] - one[seed] for seed in seeds])
    return {
        "variant": variant,
        first: mean([one[seed] for seed in seeds]),
        "against": second,
        "val_loss": mean([other[seed] for seed in seeds]),
        "difference": found.mean,
        "ci95": found.half_width if len(seeds) > 1 else None,
        "seeds": len(seeds),
    }


def _settings(study: Study) -> dict[str, Any]:
    config = study.config
    axes = {f"axis {path}": list(values) for path, values in config.axes.items()}
    explicit = {f"variant {name}": dict(own) for name, own in config.explicit.items()}
    varied = set(config.varied)
    base = {name: value for name, value in flatten(asdict(config.base)).items() if name not in varied}
    rest = {name: getattr(config, name) for name in ("seeds", "design", "budget", "margin")}
    return {**base, **axes, **explicit, **rest}


def _losses(study: Study) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for result in study.results:
        if result.is_ok:
            found.setdefault(result.cell.variant, {})[result.record.seed] = result.record.val_loss
    return found
