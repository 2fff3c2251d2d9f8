"""A folder like a run's, in which a model lies that no training wrote: quantised, or pruned in one shot."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...checkpoints.directory import save_directory
from ...checkpoints.names import CHECKPOINTS, COMPRESSION, CONFIG, ENVIRONMENT, METRICS, REPORT, TOKENIZER
from ...checkpoints.ownership import RUN, check_folder, is_ours, remove_steps
from ...checkpoints.weights import Snapshot, save_snapshot
from ...storage.atomic import make_directory, remove_files, write_bytes, write_json
from ...training.config import RunConfig
from ...training.folder.record import describe_environment
from ...training.folder.writer import clear_folder as clear_run
from .record import KEYS

_FILES = (TOKENIZER, REPORT, COMPRESSION)
"""Beside those of a run, which a model has that was made of one."""


def clear_folder(folder: Path) -> None:
    """Remove what an earlier `nanochat compress` or run left. Raises GuardError for what neither is known to have."""
    is_proven = is_ours(folder / COMPRESSION, KEYS)
    if not is_proven or is_ours(folder / CONFIG, RUN):
        clear_run(folder)  # which leaves nothing but what is no run's
    check_folder(folder, _FILES, proven=is_proven, inside=CHECKPOINTS)
    remove_steps(folder / CHECKPOINTS)
    remove_files(folder, _FILES)


def write_model(folder: Path, snapshot: Snapshot, config: RunConfig | None) -> Path:
    """The model as the checkpoint of the step that its weights are of, and the config that says what text is its own.

    config: None where the source is no run. Returns the checkpoint. Raises GuardError, WriteError.
    """
    make_directory(folder)
    if config is not None:
        write_json(folder / CONFIG, asdict(config))
        write_json(folder / ENVIRONMENT, describe_environment(config))
        write_bytes(folder / METRICS, b"")  # nothing was trained here
    write_json(folder / TOKENIZER, dict(snapshot.tokenizer))
    step = snapshot.origin.get("step")

    def write_files(draft: Path) -> dict[str, Any]:
        if config is not None:
            write_json(draft / CONFIG, asdict(config))
        write_json(draft / TOKENIZER, dict(snapshot.tokenizer))
        return {"model.safetensors": save_snapshot(draft / "model.safetensors", snapshot)}

    return save_directory(folder / CHECKPOINTS, step if type(step) is int and step >= 0 else 0, write_files)
