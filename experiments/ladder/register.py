"""What was foretold of each rung, kept in ladder.json before the rung is run; never made anew, never made after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...checkpoints.ownership import check_folder, is_ours
from ...errors import CheckpointError, ConfigError, GuardError
from ...storage.atomic import read_json, remove_files, write_json
from ...validation import read_dataclass
from ..ablation.grid import ablation_from_dict, ablation_to_dict
from ..ablation.study import clear_study
from ..analysis.findings import Analysis
from ..statistics.ladder import LEAST_RUNGS, LEAST_SEEDS, fit_and_predict
from .plan import Ladder

REGISTER = "ladder.json"
FILES = (REGISTER, "report.md", "ladder.png", "ladder.svg")
_KEYS = {"study", "path", "values", "foretold"}


@dataclass(frozen=True)
class Foretold:
    """The loss of a variant at a rung, by the law of the rungs below it: the mean, and its 95 % interval."""

    rung: int | float
    variant: str
    below: tuple[int | float, ...]
    """The rungs that the law was fitted to."""
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Register:
    """A ladder, and what was foretold of it so far."""

    ladder: Ladder
    foretold: tuple[Foretold, ...] = ()
    asked: tuple[float, ...] = ()
    """Rungs that were, whether their rungs below told a law or not."""

    def of(self, rung: float) -> dict[str, Foretold]:
        """What was foretold of a rung, by variant."""
        return {one.variant: one for one in self.foretold if one.rung == rung}


def open_register(ladder: Ladder, folder: Path) -> Register:
    """The register in `folder`, with the rungs of `ladder`, or an empty one.

    Rungs may be added above those that were run, and nothing else may change. Raises ConfigError for a rung that lies
    below one that was run already, GuardError where another ladder or something else lies there, CheckpointError.
    """
    check_folder(folder, FILES, proven=is_ours(folder / REGISTER, _KEYS), other="config.json")
    if not (folder / REGISTER).is_file():
        return Register(ladder)
    former = read_register(folder)
    if replace(former.ladder, values=ladder.values) != ladder:
        raise GuardError(f"{folder} holds another ladder: choose another --out, or pass --force to replace it")
    done = tuple(value for value in former.ladder.values if was_run(former.ladder, value, folder))
    if ladder.values[: len(done)] != done:
        new = next((value for value in ladder.values if value not in done), ladder.values[-1])
        raise ConfigError(
            f"{former.ladder.folder_of(done[-1])} has been run already, so a ladder with {ladder.folder_of(new)} next "
            f"would foretell what is known: keep the rungs {', '.join(map(str, done))} and add others above"
        )
    return replace(former, ladder=ladder)


def foretell(register: Register, rung: float, below: Mapping[float, Analysis], folder: Path) -> Register:
    """The register with what the rungs below say of `rung`, on disk; what stands there already stays.

    Nothing where they are too few to tell a floor: without one what levels off is foretold too low.

    Raises ConfigError where the rung has been run before anything was foretold of it.
    """
    if rung in register.asked or len(below) < LEAST_RUNGS or register.ladder.study.seeds < LEAST_SEEDS:
        return register
    if was_run(register.ladder, rung, folder):
        raise ConfigError(
            f"{folder / register.ladder.folder_of(rung)} has been run already, and what is foretold now would be no "
            "prediction: choose another --out, or another rung"
        )
    found = [_foretold(variant, rung, below) for variant in register.ladder.study.variants]
    register = replace(
        register,
        foretold=(*register.foretold, *(one for one in found if one is not None)),
        asked=(*register.asked, rung),
    )
    save_register(register, folder)
    return register


def was_run(ladder: Ladder, rung: float, folder: Path) -> bool:
    """A cell of the rung is on disk."""
    return any((folder / ladder.folder_of(rung) / "cells").glob("*.json"))


def losses_of(variant: str, rungs: Sequence[Analysis]) -> np.ndarray:
    """The variant's losses, of the seeds that ended well at every rung.    -> (seeds, rungs)"""
    by_seed: list[dict[int, float]] = []
    if not rungs:
        return np.empty((0, 0))
    for analysis in rungs:
        summary = next(one for one in analysis.ranking if one.name == variant)
        seeds = [result.cell.config.seed for result in summary.ok]
        by_seed.append(dict(zip(seeds, summary.losses, strict=True)))
    shared = sorted(set.intersection(*(set(one) for one in by_seed)))
    return np.array([[one[seed] for one in by_seed] for seed in shared]).reshape(len(shared), len(rungs))


def save_register(register: Register, folder: Path) -> None:
    """Write ladder.json. Raises WriteError."""
    ladder = register.ladder
    head = {"study": ablation_to_dict(ladder.study), "path": ladder.path, "values": list(ladder.values)}
    foretold = [asdict(one) for one in register.foretold]
    write_json(folder / REGISTER, {**head, "asked": list(register.asked), "foretold": foretold})


def read_register(folder: Path) -> Register:
    """Raises CheckpointError."""
    path = folder / REGISTER
    content: Any = read_json(path)
    if not isinstance(content, dict) or not content.keys() >= _KEYS:
        raise CheckpointError(f"{path} describes no ladder: restore it from a copy, or choose another --out")
    try:
        study = ablation_from_dict(content["study"])
        ladder = Ladder(study, content["path"], tuple(content["values"]))
        foretold = tuple(read_dataclass(Foretold, one, "foretold") for one in content["foretold"])
        return Register(ladder, foretold, tuple(content.get("asked", ())))
    except (ConfigError, TypeError) as error:
        raise CheckpointError(f"{path} describes no ladder that can be read: {error}") from error


def clear_ladder(folder: Path) -> None:
    """Remove a ladder's files and its rungs'. Raises GuardError for what is not ours, WriteError."""
    check_folder(folder, FILES, proven=is_ours(folder / REGISTER, _KEYS), other="config.json")
    if not (folder / REGISTER).is_file():
        return
    ladder = read_register(folder).ladder
    for rung in (folder / ladder.folder_of(value) for value in ladder.values):
        if rung.is_dir():
            clear_study(rung)
    remove_files(folder, reversed(FILES))


def _foretold(variant: str, rung: float, below: Mapping[float, Analysis]) -> Foretold | None:
    """None where the seeds that ended well at every rung are too few to tell a floor."""
    losses = losses_of(variant, [*below.values()])
    if len(losses) < LEAST_SEEDS:
        return None
    try:
        _, found = fit_and_predict(np.array(list(below), dtype=np.float64), losses, rung)
    except ValueError:
        return None
    return Foretold(rung, variant, tuple(below), found.mean, found.low, found.high)
