"""A model in one readable JSON file: what it is, how it spells text, and its weights, every float exactly.

`repr` of a float64 gives the shortest digits that read back as the same number, so nothing is lost; a float32 is
a float64 as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import CheckpointError
from ..models.presets import Mode, ModelKind
from ..validation import read_dataclass
from .files import read_json, write_json

FORMAT, VERSION = "nanochat-model", 1


@dataclass(frozen=True)
class Snapshot:
    """Everything that a model needs to work elsewhere."""

    model_kind: ModelKind
    mode: Mode
    dtype: Literal["float32", "float64"]
    """Precision of the weights in tensor mode."""
    model: Mapping[str, Any]
    """Fields of its configuration."""
    tokenizer: Mapping[str, Any]
    stops_at_bos: bool
    """Trained on documents that BOS ends; otherwise BOS is never drawn."""
    weights: Mapping[str, Any]
    """Arrays or nested lists by name."""


def save_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write the model to `path`, atomically. Raises WriteError, and ValueError on a weight that is not finite."""
    content = {"format": FORMAT, "version": VERSION} | asdict(snapshot)
    content["weights"] = {name: np.asarray(weight).tolist() for name, weight in snapshot.weights.items()}
    write_json(path, content)


def load_snapshot(path: Path) -> Snapshot:
    """Read what save_snapshot wrote: types and finiteness are checked, not yet that the weights fit the model.

    Raises CheckpointError.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a nanochat model: expected a JSON object with format={FORMAT!r}")
    if content.get("version") != VERSION:
        raise CheckpointError(
            f"{path} has format version {content.get('version')!r}, this program reads {VERSION}: update nanochat"
        )
    weights = content.get("weights")
    if not isinstance(weights, dict):
        raise CheckpointError(f"{path} is damaged (it has no weights by name): restore it from a copy")
    header = {key: value for key, value in content.items() if key not in ("format", "version")} | {"weights": {}}
    snapshot = read_dataclass(Snapshot, header, str(path), CheckpointError)
    return replace(snapshot, weights={name: _array(weight, name, path) for name, weight in weights.items()})


def _array(weight: Any, name: str, path: Path) -> np.ndarray:
    """The numbers as float64. Raises CheckpointError on anything else than a block of finite numbers."""
    try:
        array = np.array(weight)
    except (ValueError, OverflowError) as error:
        raise CheckpointError(f"{path} is damaged ({name} is no array: {error}): restore it from a copy") from error
    if array.dtype.kind not in "fi" or not np.isfinite(array).all():
        raise CheckpointError(f"{path} is damaged ({name} holds something that is no number): restore it from a copy")
    return array.astype(np.float64)
