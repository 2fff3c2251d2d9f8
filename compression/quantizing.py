"""A model with its weights in fewer bits, which it computes with as float32."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..checkpoints.formats.packing import LARGEST, Stored, StoredType
from ..checkpoints.weights import Snapshot
from ..errors import ConfigError
from .blocks import gpt_of, replaced
from .calibration import change_layers
from .compensation import Rounding, compensate
from .rounding import round_to_nearest

Method = Literal["nearest", "gptq"]
_NAMES = {"float16": "float16", "bfloat16": "bfloat16", "int8": "INT8", "int4": "INT4"}


@dataclass(frozen=True)
class Scheme:
    """How a model is to be quantised."""

    dtype: StoredType = "int8"
    group: int = 0
    """Columns of a row that share a scale; 0: all."""
    method: Method = "nearest"
    embedding_dtype: StoredType = "int8"
    """Of the tables of tokens and positions and of the head, where blocks are stored in whole numbers."""

    @property
    def words(self) -> str:
        """The same for the same settings, whatever the model."""
        if self.dtype not in LARGEST:
            return f"{_NAMES[self.dtype]} storage"
        per = f"groups of {self.group}" if self.group else "per output channel"
        how = ", error-compensated" if self.method == "gptq" else ", nearest" if self.dtype == "int4" else ""
        also = "" if self.embedding_dtype in ("int8", self.dtype) else f", embeddings {_NAMES[self.embedding_dtype]}"
        if self.dtype == "int4" and self.embedding_dtype == "int4":
            also = ", embeddings too"
        return f"{_NAMES[self.dtype]} {per}{how}{also}"


def quantize(snapshot: Snapshot, scheme: Scheme, ids: np.ndarray | None = None) -> Snapshot:
    """The model, rounded: weights as they will be computed with, and how each is stored.

    ids (B, T): the calibration text of gptq, whose layers are rounded one after the other. In whole numbers only
    matrices are stored; what is left is as it was. Raises ConfigError for a number that float16 cannot hold.
    """
    tables, storage = dict[str, np.ndarray](), dict[str, Stored]()
    for name, weight in snapshot.weights.items():
        one = np.asarray(weight, np.float32)
        if scheme.dtype not in LARGEST:
            tables[name], storage[name] = round_to_nearest(one, scheme.dtype)
        elif one.ndim == 2 and name.startswith("h."):
            tables[name], storage[name] = round_to_nearest(one, scheme.dtype, scheme.group)
        elif one.ndim == 2:
            group = scheme.group if scheme.embedding_dtype == "int4" else 0
            tables[name], storage[name] = round_to_nearest(one, scheme.embedding_dtype, group)
    for name, weight in tables.items():
        scale = storage[name].scale
        if not np.isfinite(weight).all() or (scale is not None and not np.isfinite(scale).all()):
            raise ConfigError(f"{name} holds numbers that float16 cannot: give --bits 16 --float bfloat16")
    rounded = replace(replaced(snapshot, tables), storage=storage)
    return _compensated(snapshot, rounded, scheme, ids) if scheme.method == "gptq" and ids is not None else rounded


def _compensated(source: Snapshot, rounded: Snapshot, scheme: Scheme, ids: np.ndarray) -> Snapshot:
    """The matrices of the blocks anew, one after the other, on the rounded tables."""
    blocks = {name: weight for name, weight in source.weights.items() if name.startswith("h.")}
    model = gpt_of(replaced(rounded, blocks))
    storage = dict(rounded.storage)

    def change(name: str, weight: np.ndarray, gram: np.ndarray) -> np.ndarray:
        rule = Rounding(scheme.dtype, scheme.group, (weight.shape[0], weight.shape[1]))
        settled = compensate(weight, gram, rule)
        storage[name] = rule.stored
        return settled

    weights = change_layers(model, ids, change)
    return replace(replaced(rounded, weights), storage=storage)
