"""Numbers as the driver takes and gives them: arrays as base64, of a large one its norm and some of its numbers."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

SAMPLE = 192
"""Numbers of each parameter that are compared, evenly spaced; its norm besides."""


def encode(array: Any) -> dict[str, Any]:
    """As JSON holds it: little-endian float64 or int64."""
    found = np.asarray(array)
    found = found.astype("<i8" if found.dtype.kind in "iu" else "<f8")
    return {"shape": list(found.shape), "dtype": found.dtype.str, "base64": base64.b64encode(found.tobytes()).decode()}


def decode(item: dict[str, Any]) -> np.ndarray:
    """What `encode` wrote."""
    return np.frombuffer(base64.b64decode(item["base64"]), item["dtype"]).reshape(item["shape"])


def sampled(array: np.ndarray, n: int = SAMPLE) -> dict[str, Any]:
    """{"norm": ..., "numbers": ...}, the numbers evenly spaced, all where there are fewer than n."""
    flat = np.asarray(array, np.float64).reshape(-1)
    spaced = np.arange(flat.size) if flat.size <= n else np.linspace(0, flat.size - 1, n).astype(np.int64)
    return {"norm": float(np.linalg.norm(flat)), "numbers": flat[spaced]}
