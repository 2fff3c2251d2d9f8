"""Figures of a benchmark beside those that were kept of an earlier one: which have become worse."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import CheckpointError, ConfigError, NanochatError
from ...storage.atomic import read_json

QUIET = 0.25
"""Cores that others may take while wall time is measured: with 1.9 of 2 taken, torch seemed 13 times as slow."""
_NO_RATIO = 1e99
"""What is as large was not measured: JSON has whole numbers that no float holds."""
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
    if not ratios or not isinstance(ratios, dict) or not all(map(_is_ratio, ratios.values())):
        raise CheckpointError(f"{path} holds no ratios with quartiles: give a bench.json of `nanochat bench --out DIR`")
    return ratios


def check_against(path: Path, kept: Ratios, ratios: Ratios) -> None:
    """Raises SlowerError naming each ratio whose median lies below the lower quartile that was kept of it at `path`.

    What only one of both has is not compared, since PyTorch may be missing or a contender new; nor is what was not
    measured in quiet. Raises CheckpointError where nothing is left.
    """
    both = [name for name in ratios if name in kept and is_quiet(kept[name]) and is_quiet(ratios[name])]
    if not both:
        raise CheckpointError(
            f"{path} holds no ratio that was measured now, on a quiet machine as then: keep a new one with "
            "`nanochat bench --out DIR`"
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


def is_quiet(ratio: Mapping[str, Any]) -> bool:
    """CPU time may be quoted whatever else runs; wall time of several threads not, since they wait for each other."""
    return ratio.get("clock") != "wall" or (ratio.get("cores_of_others") or 0.0) <= QUIET


def _is_ratio(found: object) -> bool:
    keys = ("lower", "median", "upper")
    if not isinstance(found, dict) or type(found.get("cores_of_others")) not in (int, float, type(None)):
        return False
    return all(type(found.get(key)) in (int, float) and 0 <= found[key] < _NO_RATIO for key in keys)
