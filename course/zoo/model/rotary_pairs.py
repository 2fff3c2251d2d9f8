"""B12: which channels rotary positions turn together."""

from __future__ import annotations

import numpy as np

from ....engine.tensor.ops.elementwise import Array, Vjp
from ..specimen import Specimen, op


def rope(x: Array, *, positions: Array, base: float = 10000.0) -> tuple[Array, Vjp]:
    """Turn channel i with channel i + D/2       x (B, H, T, D), positions (T,) -> (B, H, T, D)"""
    D = x.shape[-1]
    angles = np.repeat(positions[:, None] * base ** (-np.arange(0, D, 2) / D), 2, axis=-1)  # of neighbours
    cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)

    def turned(x: Array, sign: int) -> Array:
        low, high = np.split(x, 2, axis=-1)
        return np.concatenate([-sign * high, sign * low], -1)

    return x * cos + turned(x, 1) * sin, lambda g: (g * cos + turned(g * sin, -1),)


SPECIMEN = Specimen(
    id="B12",
    name="rotary-pairs-mixed",
    title="rotary positions pair halves and take the angles of neighbours",
    case="raiyanyahya/how-to-train-your-gpt#6; EleutherAI/gpt-neox#834",
    symptom="With rope, q.k of two tokens three apart depends on where they stand.",
    fault=rope,
    into=op("rope"),
    model={"positions": "rope"},
    found_by=("rotation", "op rope"),
    blind=("op self_attention", "causality", "attention", "first loss"),
)
