"""The runs that there are: found, listed and laid side by side as plain rows. Draws nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, unreadable, was_not_read
from ..plain import shown_path
from ..training.folder.record import SavedRun, read_run, to_row
from .ablation.grid import flatten

_RESULTS = ("steps", "parameter_count", "final_loss", "val_loss", "bits_per_byte", "tokens_per_sec", "status")
"""Of a run, in its line of the list."""


@dataclass(frozen=True)
class RunDamaged:
    """A folder that holds a run which cannot be read, and why."""

    path: Path
    reason: str
    was_read: bool = True
    """False where the system would not let us read it: it may be whole."""


def find_runs(root: Path, observe: Callable[[RunDamaged], None] = lambda event: None) -> list[SavedRun]:
    """The runs in the folders of `root`, newest first; a damaged one is told and left out."""
    runs = []
    for path in run_folders(root):
        try:
            runs.append(read_run(path))
        except CheckpointError as error:
            observe(RunDamaged(path, str(error), was_read=not was_not_read(error)))
    return runs


def latest_run(root: Path) -> Path:
    """The folder of the run that was started last. Raises CheckpointError if there is none."""
    folders = run_folders(root)
    if not folders:
        raise CheckpointError(f"there is no run in {root}: train one with `nanochat train`")
    return folders[0]


def rows_of(runs: Sequence[SavedRun]) -> list[dict[str, Any]]:
    """`nanochat runs list`: one line a run; None where there is no number (yet)."""
    rows = []
    for run in runs:
        config, record = run.config, last_known(run)
        row: dict[str, Any] = {"run": shown_path(run.path.name), "preset": config.preset, "mode": config.mode}
        row |= {"data": config.data.source, "seed": config.seed}
        rows.append(row | {name: record.get(name) for name in _RESULTS})
    return rows


def compare_rows(runs: Sequence[SavedRun]) -> list[dict[str, Any]]:
    """`nanochat runs compare`: settings that differ, then results; {"field": name, a run's label: its value, ...}."""
    labels = run_labels(runs)
    settings = [flatten(asdict(run.config)) for run in runs]
    results = [last_known(run) for run in runs]
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys(name for one in settings for name in one):
        values = [one.get(name) for one in settings]
        if any(value != values[0] for value in values[1:]):
            rows.append({"field": name, **dict(zip(labels, values, strict=True))})
    for name in dict.fromkeys(name for one in results for name in one if name not in {"seed", "reason"}):
        if any(path.rpartition(".")[2] == name for path in settings[0]):
            continue  # said above, as a setting
        rows.append({"field": name, **{label: one.get(name) for label, one in zip(labels, results, strict=True)}})
    return rows


def run_labels(runs: Sequence[SavedRun]) -> list[str]:
    """The name of each run's folder, or its path where two have the same name."""
    names = [shown_path(run.path.name) for run in runs]
    unique = len(set(names)) == len(names)
    return names if unique else [shown_path(run.path.as_posix()) for run in runs]


def last_known(run: SavedRun) -> dict[str, Any]:
    """The row of the run's record, or what its metrics say where it has none yet: status `unfinished`."""
    if run.record is not None:
        return to_row(run.record)
    known: dict[str, Any] = {"steps": 0}
    for line in run.metrics:
        known["steps"] = line["step"]
        known |= {"final_loss": line["loss"]} if "loss" in line else {}
        known |= {name: line[name] for name in ("val_loss", "bits_per_byte") if name in line}
    return known | {"status": "unfinished"}


def run_folders(root: Path) -> list[Path]:
    """Newest first, by when the run began: config.json is the first file written and never touched again.

    A folder that may not be looked into counts as a run, with the time of the folder. Raises CheckpointError.
    """
    found = []
    try:
        for folder in root.iterdir():
            try:
                found.append(((folder / "config.json").stat().st_mtime_ns, folder))
            except PermissionError:
                found.append((folder.stat().st_mtime_ns, folder))
            except (FileNotFoundError, NotADirectoryError):
                continue  # no run
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise CheckpointError(unreadable(error, root)) from error
    return [folder for _, folder in sorted(found, reverse=True)]
