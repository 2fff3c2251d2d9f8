"""D2: what is written to the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..specimen import Specimen, at


def append(self: Any, layer: int, k: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write k, v (B, Hkv, T, D) behind what is there; all of the layer's keys and values (B, Hkv, S, D)"""
    keys, values, end = self.keys[layer], self.values[layer], self.longest + k.shape[2]
    first = max(1, self.longest)
    keys[:, :, first:end] = k[:, :, first - self.longest :]
    values[:, :, first:end] = v[:, :, first - self.longest :]
    return keys[:, :, :end], values[:, :, :end]


SPECIMEN = Specimen(
    id="D2",
    name="first-key-lost",
    title="key and value of the first token are never written",
    case="TrenTorch PR#192",
    symptom="Samples look as they should; nobody noticed.",
    fault=append,
    into=at("models.gpt.cache:KVCache.append"),
    found_by=("cache",),
    blind=("causality", "repeats", "rows", "draws", "beam"),
)
