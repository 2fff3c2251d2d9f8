"""The folder of a study: claimed for it before the first cell, and whole, or not, at its end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import CheckpointError, ConfigError, GuardError, SweepError
from ...console import StopSignals, say

if TYPE_CHECKING:
    from ....experiments.ablation.grid import AblationConfig
    from ....experiments.ablation.study import Study
    from ....training.config import RunConfig

_NAMED = 8
"""Cells that an error names."""


def check_end(study: Study, out: Path, stop: StopSignals) -> None:
    """Raises SystemExit where cells are still to be run, SweepError where one did not end well."""
    if study.missing:
        are = "cells are" if len(study.missing) > 1 else "cell is"
        say(f"{len(study.missing)} {are} still to be run: the same command with --out {out} goes on")
        raise SystemExit(stop.exit_code if stop() else SweepError.exit_code)
    bad = [result for result in study.results if not result.is_ok]
    if bad:
        words = "/".join(dict.fromkeys(result.record.status for result in bad))
        cells = ", ".join(f"{result.cell.variant} with seed {result.record.seed}" for result in bad[:_NAMED])
        more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        raise SweepError(f"{len(bad)} of {len(study.results)} cells {words}: {cells}{more}; see {out}")


def claim(out: Path, config: AblationConfig, *, force: bool) -> AblationConfig:
    """The folder is new, or holds the beginning of the same study, or is cleared of another by --force.

    The same study may have fewer seeds there: what it has is a part of this one, which notes that it has grown.
    """
    from ....experiments.ablation.study import clear_study, read_config
    from ...display.sweep import plural

    if not (out / "config.json").exists():
        return config
    if force:
        clear_study(out)
        return config
    try:
        former = read_config(out / "config.json")
    except CheckpointError as error:
        if (out / "cells").is_dir() or not isinstance(error.__cause__, ConfigError):
            raise CheckpointError(
                f"the study in {out} is damaged: {error}, choose another --out, or pass --force to run all cells again"
            ) from error
        former = None  # the settings of a run
    if former is None or (former.planned != config.planned and not _grows(former, config)):
        raise GuardError(f"{out} holds other results already: choose another --out, or pass --force to replace them")
    if former.planned == config.planned:
        return config
    if former.looks or config.looks:
        read = ", ".join(map(str, former.looked or (former.seeds,)))
        raise GuardError(
            f"the study in {out} was looked at with {read} seeds, which no plan made now can take back (its alpha of "
            f"{former.alpha:g} is spent): choose another --out and another --seed"
        )
    say(f"note: {out} holds {plural(former.seeds, 'seed')} of this study: it goes on to {config.seeds}")
    return replace(config, grown=(*former.grown, former.seeds))


def _grows(former: AblationConfig, config: AblationConfig) -> bool:
    """More seeds, or other looks; a part drawn at random and a budget of tokens depend on their number."""
    if config.max_cells or config.budget in ("tokens", "flops") or former.max_cells:
        return False
    if former.seeds > config.seeds and not (former.looks or config.looks):
        return False
    return replace(former.planned, seeds=config.seeds, looks=config.looks, alpha=config.alpha) == config.planned


def corpus_of(base: RunConfig) -> str:
    """Its text, as folders are named for it."""
    return Path(base.data.source.rpartition(":")[2]).stem
