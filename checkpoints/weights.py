"""A model in one readable JSON file: what it is, how it spells text, and its weights, every float exactly.

`repr` of a float64 gives the shortest digits that read back as the same number, so nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError
from .files import read_json, write_json

FORMAT, VERSION = "nanochat-model", 1


@dataclass(frozen=True)
class Snapshot:
    """Everything that a model needs to work elsewhere."""

    model_kind: str
    mode: str
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
    """Read what save_snapshot wrote. Raises CheckpointError."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a nanochat model: expected a JSON object with format={FORMAT!r}")
    if content.get("version") != VERSION:
        raise CheckpointError(
            f"{path} has format version {content.get('version')!r}, this program reads {VERSION}: update nanochat"
        )
    try:
        weights = {name: np.array(weight, dtype=np.float64) for name, weight in content["weights"].items()}
        return Snapshot(
            **{key: content[key] for key in Snapshot.__dataclass_fields__ if key != "weights"}, weights=weights
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): restore it from a copy") from error
