"""Which file holds the model that a path means: the path itself, or one in a checkpoint, or in a run's last or best."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from ..errors import CheckpointError, ConfigError
from ..storage.lock import held
from ..storage.reading import file_sha256, is_there, reading
from .directory import list_checkpoints, newest_that
from .formats.arrays import FORMATS
from .gpt2.folder import is_huggingface, load_gpt2
from .manifest import differs, inventory
from .names import CHECKPOINTS, MANIFEST, METRICS, step_of
from .weights import Snapshot, load_snapshot

Which = Literal["last", "best"]
T = TypeVar("T")


def find_model_file(path: Path, which: Which = "last") -> Path:
    """The file that `read_model` reads; that of a checkpoint is whole by its sha256. Raises CheckpointError."""
    return _in_checkpoints(path, which, _whole) or read_model(path, which)[0]


def read_model(path: Path, which: Which = "last") -> tuple[Path, Snapshot]:
    """The model of a file, a checkpoint folder or a run's folder, and the file that it is in, read once and verified.

    A folder of GPT-2 in Hugging Face's layout is a model, too, and stands for its file (checkpoints/gpt2/folder.py).
    best: the whole checkpoint of a run with the least validation loss. Damaged checkpoints are passed over with a
    warning. Raises CheckpointError.
    """
    if (found := _in_checkpoints(path, which, _read)) is not None:
        return found
    if is_huggingface(path):
        return path, load_gpt2(path)
    if path.is_dir():
        path = next((file for ending in FORMATS if (file := path / f"model{ending}").is_file()), path / "model.json")
    if not is_there(path) and (path.parent / METRICS).is_file():
        raise CheckpointError(
            f"the run at {path.parent} ended before its first checkpoint: train it again with --force"
        )
    if not is_there(path):
        raise CheckpointError(f"there is no model at {path}: train one with `nanochat train`, or give another --run")
    return path, load_snapshot(path)


def _in_checkpoints(path: Path, which: Which, read: Callable[[Path], T]) -> T | None:
    """What `read` makes of a checkpoint folder, or of a run's last or best; None where `path` is neither."""
    if which not in ("last", "best"):
        raise ConfigError(f"which={which!r} is unknown: choose last or best")
    checkpoints = path / CHECKPOINTS
    try:
        is_run = checkpoints.is_symlink() or checkpoints.exists()  # whatever lies there, it is to be checkpoints
    except (OSError, ValueError) as error:  # a name too long, or with a NUL in it
        raise CheckpointError(f"{str(path)[:80]!r} is no path ({error}): name a run, a checkpoint or a file") from error
    if is_run:
        return newest_that(checkpoints, read, _best_first if which == "best" else None)
    if which == "best":
        raise CheckpointError(f"{path} is no folder of a run, so it has no best checkpoint: leave out which='best'")
    if not (path / MANIFEST).is_file():
        return None
    with held(path):
        return read(path)


def _read(folder: Path) -> tuple[Path, Snapshot]:
    """Of the other files only presence and sizes are checked: a damaged optimizer does no harm to a model at work."""
    file, sha256 = _model_of(folder)
    return file, load_snapshot(file, sha256=sha256, follow=False)


def _whole(folder: Path) -> Path:
    """The file, nothing of it kept. Raises CheckpointError where `_read` would."""
    file, sha256 = _model_of(folder)
    if file_sha256(file) != sha256:
        raise differs(folder, file.name)
    return file


def _model_of(folder: Path) -> tuple[Path, str]:
    """The file of a checkpoint's model and its sha256. Raises CheckpointError."""
    files = inventory(folder)["files"]
    for name in (f"model{ending}" for ending in FORMATS):
        if name in files:
            return folder / name, files[name]["sha256"]
    raise CheckpointError(f"{folder} holds no model: use another checkpoint")


def _best_first(checkpoints: Path) -> list[Path]:
    """Those of a run that were validated, the least loss first. Raises CheckpointError."""
    run = checkpoints.parent
    losses = _validation_losses(run / METRICS)
    folders = {step_of(folder): folder for folder in list_checkpoints(checkpoints)}
    if not losses.keys() & folders.keys():
        raise CheckpointError(f"{run} has no checkpoint of a step that {METRICS} has a val_loss for: load the last")
    return [folders[step] for step in sorted(losses.keys() & folders.keys(), key=lambda step: (losses[step], step))]


def _validation_losses(path: Path) -> dict[int, float]:
    """val_loss by step; a last line cut short by a crash counts for nothing. Raises CheckpointError."""
    with reading(path) as source:
        lines = str(source.read(source.size), "utf-8", "replace").split("\n")
    losses = {}
    for number, line in enumerate(lines[:-1], start=1):
        try:
            row = json.loads(line)
            step, loss = row["step"], row.get("val_loss")
            if type(step) is int and type(loss) in (int, float) and math.isfinite(loss):
                losses[step] = loss
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            raise CheckpointError(f"{path}, line {number} is damaged ({error}): restore it from a copy") from error
    return losses
