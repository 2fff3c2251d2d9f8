"""What the linear layers of a model read when it reads text: sums of products of their inputs, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..data.tokens import TokenArray
from ..engine.tensor import Tensor, no_grad
from ..errors import DataError
from ..models.gpt.tensor import GPT
from .blocks import PARTS

Change = Callable[[str, np.ndarray, np.ndarray], np.ndarray]
"""name, weight (out, in), gram (in, in) -> the weight that takes its place"""
_ROWS = 32
"""Of a batch: all of a long text at once would not fit in memory."""


def calibration_rows(stream: TokenArray, n_rows: int, block_size: int) -> np.ndarray:
    """Rows of the training text, evenly spread, none over another       -> (n_rows, block_size)

    Raises DataError where the text is shorter than all of them.
    """
    n_tokens = len(stream.ids)
    if n_tokens < n_rows * block_size:
        raise DataError(
            f"the training text has {n_tokens:,} tokens, and {n_rows} calibration rows of {block_size} take "
            f"{n_rows * block_size:,}: give more text, or fewer --calibration-rows, e.g. {n_tokens // block_size}"
        )
    starts = np.arange(n_rows) * ((n_tokens - block_size) // max(1, n_rows - 1) if n_rows > 1 else 0)
    return np.asarray(stream.ids[starts[:, None] + np.arange(block_size)], np.int64)


class _Observed:
    """A linear layer that sums X^T X of what it reads."""

    def __init__(self, layer: Any) -> None:
        self.layer, self.gram = layer, np.zeros((layer.weight.shape[1],) * 2)

    def __call__(self, x: Tensor) -> Tensor:
        rows = x.data.reshape(-1, x.shape[-1]).astype(np.float64)
        self.gram += rows.T @ rows
        return self.layer(x)


def change_layers(model: GPT, ids: np.ndarray, change: Change) -> dict[str, np.ndarray]:
    """Each matrix of the blocks changed in turn, in the model too: each sees inputs of those that changed before it.

    ids (B, T); X^T X is summed over all B T of them, in float64. Returns the changed weights by name.
    """
    changed = {}
    streams = [model.embed(ids[i : i + _ROWS], np.arange(ids.shape[1])) for i in range(0, len(ids), _ROWS)]
    positions = np.arange(ids.shape[1])
    model.dropout.training = False
    with no_grad():
        for i, block in enumerate(model.h):
            for part in _parts(block):
                name, layer = f"h.{i}.{part}.weight", _at(block, part)
                with _observing(block, part) as observed:
                    for x in streams:
                        block(x, positions, None, model.dropout, None)
                weight = change(name, layer.weight.data, observed.gram)
                layer.weight.data[...] = weight
                changed[name] = np.asarray(weight, np.float32)
            streams = [block(x, positions, None, model.dropout, None) for x in streams]
    return changed


def input_grams(model: GPT, ids: np.ndarray, part: str) -> list[np.ndarray]:
    """X^T X of this part's inputs in each layer of the model as it is       (B, T) -> [(in, in)]"""
    grams: list[np.ndarray] = []

    def keep(name: str, weight: np.ndarray, gram: np.ndarray) -> np.ndarray:
        if name.split(".", 2)[2] == f"{part}.weight":
            grams.append(gram)
        return weight

    change_layers(model, ids, keep)
    return grams


def _parts(block: Any) -> Iterator[str]:
    return (part for part in PARTS if _at(block, part) is not None)


def _at(block: Any, part: str) -> Any:
    home, name = part.split(".")
    return getattr(getattr(block, home), name)


@contextmanager
def _observing(block: Any, part: str) -> Iterator[_Observed]:
    home, name = part.split(".")
    layer = _at(block, part)
    observed = _Observed(layer)
    setattr(getattr(block, home), name, observed)
    try:
        yield observed
    finally:
        setattr(getattr(block, home), name, layer)
