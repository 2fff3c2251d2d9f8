"""What compression works on: the matrices in the blocks of a transformer, and its model in arrays of float32."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from ..checkpoints.weights import Snapshot
from ..errors import ConfigError
from ..inference.language_model import model_of
from ..models.gpt.config import GPTConfig
from ..models.gpt.tensor import GPT

PARTS = ("attn.qkv", "attn.proj", "mlp.fc", "mlp.proj")
"""Linear layers of a block, in the order in which it computes them."""


def in_arrays(snapshot: Snapshot) -> Snapshot:
    """The same model in arrays of float32, whatever it was trained in: the engine of numbers is too slow to measure."""
    weights = {name: np.asarray(weight, np.float32) for name, weight in snapshot.weights.items()}
    return replace(snapshot, mode="tensor", dtype="float32", weights=weights)


def gpt_of(snapshot: Snapshot) -> GPT:
    """A transformer in arrays with the snapshot's weights. Raises ConfigError for a bigram, which has no blocks."""
    if snapshot.model_kind == "bigram":
        raise ConfigError("the model is a bigram, one matrix without blocks: quantise it to 8 bits, or choose a GPT")
    return cast("GPT", model_of(in_arrays(snapshot), Path("the model")).model)


def block_weights(config: GPTConfig) -> list[str]:
    """Names of the matrices in the blocks, layer by layer."""
    return [name for layer in range(config.n_layer) for name in layer_weights(config, layer)]


def layer_weights(config: GPTConfig, layer: int) -> list[str]:
    """Those of one layer."""
    names = (f"h.{layer}.{part}.weight" for part in PARTS)
    return [name for name in names if name in config.parameters()]


def replaced(snapshot: Snapshot, weights: dict[str, np.ndarray]) -> Snapshot:
    """With these weights in the place of those of the same names, in the precision that the snapshot has."""
    kept = {name: np.asarray(weight, snapshot.dtype) for name, weight in weights.items()}
    return replace(snapshot, weights={**snapshot.weights, **kept})
