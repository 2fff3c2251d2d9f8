"""Figures of a benchmark beside those that were kept of an earlier one: which have become worse."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import CheckpointError, ConfigError, NanochatError
from ...storage.atomic import read_json

Ratios = Mapping[str, Mapping[str, Any]]


class SlowerError(NanochatError):
    """A ratio of speeds lies below what was kept of it."""

    exit_code = 9


def read_ratios(path: Path) -> Ratios:
    """The ratios in a bench.json. Raises ConfigError where there is no file, CheckpointError for one that has none."""
    if not path.exists():
        raise ConfigError(f"there is no {path} to compare with: keep figures with `nanochat bench --out DIR` first")
    content = read_json(path)
    ratios = content.get("ratios") if isinstance(content, dict) else None
    if not isinstance(ratios, dict) or not all(map(_is_ratio, ratios.values())):
        raise CheckpointError(f"{path} holds no ratios with quartiles: give a bench.json of `nanochat bench --out DIR`")
    return ratios


def check_against(path: Path, kept: Ratios, ratios: Ratios) -> None:
    """Raises SlowerError naming each ratio whose median lies below the lower quartile that was kept of it at `path`.

    What only one of both has is not compared: PyTorch may be missing, or a contender new. Raises CheckpointError where
    nothing is left.
    """
    both = [name for name in ratios if name in kept]
    if not both:
        raise CheckpointError(
            f"{path} holds no ratio that was measured now: keep a new one with `nanochat bench --out DIR`"
        )
    worse = [
        f"{name} {ratios[name]['median']:.3g} below {kept[name]['lower']:.3g}"
        for name in both
        if ratios[name]["median"] < kept[name]["lower"]
    ]
    if worse:
        raise SlowerError(
            f"{len(worse)} of {len(both)} medians lie below the lower quartile in {path} ({'; '.join(worse)}): "
            "measure again with more --rounds on a quiet machine, then look for what has become slow"
        )


def _is_ratio(found: object) -> bool:
    keys = ("lower", "median", "upper")
    return isinstance(found, dict) and all(type(found.get(key)) in (int, float) for key in keys)
