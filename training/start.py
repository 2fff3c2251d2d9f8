"""A run that begins with the weights of another model instead of first weights: of which, and how much of it fits."""

from __future__ import annotations

from typing import Any

from ..checkpoints.weights import Snapshot
from ..errors import ConfigError
from ..inference.model_files import read_model
from ..inference.transfer import Transfer, transfer
from ..models.presets import PRESETS
from ..plain import path_of
from ..tokenizers import Tokenizer, tokenizer_from_dict
from .config import RunConfig


def read_start(config: RunConfig) -> Snapshot | None:
    """The model that the run begins with, if it names one. Raises ConfigError, CheckpointError."""
    if not config.start_from:
        return None
    if not path_of(config.start_from).exists():
        raise ConfigError(f"--from {config.start_from} does not exist: give a run, a checkpoint or a model file")
    return read_model(path_of(config.start_from))[1]


def start_tokenizer(config: RunConfig, source: Snapshot | None) -> Tokenizer | None:
    """The source's, to be extended by what the new text needs; None where the text makes its own, as with `partial`."""
    return None if source is None or config.partial else tokenizer_from_dict(dict(source.tokenizer))


def begin_with(source: Snapshot, model: Any, config: RunConfig, tokenizer: Tokenizer) -> Transfer:
    """Write the source's weights into the model, rows of the vocabulary by token.

    Raises ConfigError, naming every weight that does not fit, unless `partial` says that some may stay behind.
    """
    taken = transfer(model, config.model, tokenizer, source, config.partial or "*")
    if taken.skipped and not config.partial:
        problems = "; ".join(f"{name}: {reason}" for name, reason in taken.skipped.items())
        raise ConfigError(
            f"the model at {config.start_from} is another one ({problems}): leave the model's settings as they are "
            "there, or pass --partial '*' to take what fits"
        )
    return taken


def model_settings(path: str) -> dict[str, Any]:
    """The settings of a run whose model is that at `path`. Raises ConfigError, CheckpointError."""
    if not path_of(path).exists():
        raise ConfigError(f"--from {path} does not exist: give a run, a checkpoint or a model file")
    source = read_model(path_of(path))[1]
    preset = source.origin.get("preset")
    named = {"preset": preset} if preset in PRESETS and PRESETS[preset].model_kind == source.model_kind else {}
    return {
        **named,
        "model_kind": source.model_kind,
        "mode": source.mode,
        "dtype": source.dtype,
        "model": dict(source.model),
    }
