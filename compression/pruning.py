"""Single weights taken out of the blocks of a transformer: they become 0, and training may hold them there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..checkpoints.weights import Snapshot
from .blocks import block_weights, gpt_of, replaced
from .calibration import change_layers
from .compensation import Leaving, compensate
from .importance import Pattern, check_rows, keep_best, keep_best_of_all, magnitude, wanda

Method = Literal["magnitude", "wanda", "sparsegpt"]
Scope = Literal["matrix", "global"]
_NAMES = {"magnitude": "magnitude", "wanda": "Wanda", "sparsegpt": "SparseGPT-like"}


@dataclass(frozen=True)
class Pruning:
    """Which weights go, and by which rule."""

    pattern: Pattern
    method: Method = "sparsegpt"
    scope: Scope = "matrix"
    """Of magnitude: as large a share of each matrix, or of all together."""

    @property
    def words(self) -> str:
        """`2:4 SparseGPT-like`."""
        return f"{self.pattern.words} {_NAMES[self.method]}" + (" global" if self.scope == "global" else "")


def prune(snapshot: Snapshot, pruning: Pruning, ids: np.ndarray) -> Snapshot:
    """The model with weights of its blocks at 0; sparsegpt moves the others to make up for them.

    ids (B, T): the calibration text, which magnitude does not read. Raises ConfigError where a row would be left empty.
    """
    model, pattern = gpt_of(snapshot), pruning.pattern
    masks: dict[str, np.ndarray] = {}

    def change(name: str, weight: np.ndarray, gram: np.ndarray) -> np.ndarray:
        if pruning.method == "sparsegpt":
            rule = Leaving(pattern, (weight.shape[0], weight.shape[1]))
            settled, masks[name] = compensate(weight, gram, rule), rule.mask
            return settled
        masks[name] = keep_best(wanda(weight, gram), pattern, per="row")
        return np.asarray(weight * masks[name])

    if pruning.method == "magnitude":
        scores = {name: magnitude(np.asarray(snapshot.weights[name])) for name in block_weights(model.config)}
        if pruning.scope == "global":
            masks = keep_best_of_all(scores, pattern)
        else:
            masks = {name: keep_best(score, pattern, per="matrix") for name, score in scores.items()}
        weights = {name: np.asarray(snapshot.weights[name]) * mask for name, mask in masks.items()}
    else:
        weights = change_layers(model, ids, change)
    check_rows(masks)
    return replaced(snapshot, weights)


def masks_of(snapshot: Snapshot) -> dict[str, np.ndarray]:
    """1 where a weight of the blocks is left, 0 where it is not."""
    names = block_weights(gpt_of(snapshot).config)
    return {name: np.asarray(snapshot.weights[name]) != 0 for name in names}
