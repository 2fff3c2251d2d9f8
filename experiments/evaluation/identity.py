"""What an evaluation is of, so that two can be told apart: the model and the text by content, not by path alone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from ...checkpoints.find import Which
from ...checkpoints.manifest import surroundings
from ...checkpoints.names import CHECKPOINTS, MANIFEST, step_folder
from ...data.config import DataConfig
from ...inference.language_model import LanguageModel
from ...plain import shown_path
from ...training.inputs import content_sha256


def identity(
    language_model: LanguageModel, path: Path, data: DataConfig, *, which: Which = "last", questions: str = "none"
) -> dict[str, Any]:
    """Plain values; None for what nobody knows, as the step of a model from elsewhere.

    path        Where the model was read: a run, a checkpoint or a file.
    questions   The name of the set that was asked, or none.
    """
    step = language_model.origin.get("step")
    is_checkpoint = (path / CHECKPOINTS).is_dir() or (path / MANIFEST).is_file()
    return {
        "path": shown_path(path),
        "which": which,
        "checkpoint": step_folder(path, step).name if is_checkpoint and isinstance(step, int) else None,
        "step": step,
        "weights_sha256": weights_sha256(language_model),
        "text_sha256": content_sha256(data.source),
        "unknown": getattr(language_model.tokenizer, "unknown", None),
        "questions": questions,
        **surroundings(),
    }


def weights_sha256(language_model: LanguageModel) -> str:
    """Of names, types, shapes and values: the same of every format that the model is saved in."""
    sha256 = hashlib.sha256()
    for name, weight in sorted(language_model.snapshot().weights.items()):
        array = np.asarray(weight)
        sha256.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha256.update(np.ascontiguousarray(array).tobytes())
    return sha256.hexdigest()
