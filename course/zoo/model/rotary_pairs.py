"""B12: which channels rotary positions turn together."""

from __future__ import annotations

import numpy as np

from ....engine.tensor.ops.elementwise import Array
from ..specimen import Specimen, at


def rotate(x: Array, turns: Array) -> Array:
    """Turn channel i with channel i + D/2       x (..., T, D), turns exp(j angle) (T, D/2) -> (..., T, D)"""
    cos, sin = np.repeat(turns.real, 2, axis=-1), np.repeat(turns.imag, 2, axis=-1)  # an angle for two neighbours
    low, high = np.split(x, 2, axis=-1)
    return np.asarray(x * cos + np.concatenate([-high, low], -1) * sin)


SPECIMEN = Specimen(
    id="B12",
    name="rotary-pairs-mixed",
    title="rotary positions pair halves and take the angles of neighbours",
    case="raiyanyahya/how-to-train-your-gpt#6; EleutherAI/gpt-neox#834",
    symptom="With rope, q.k of two tokens three apart depends on where they stand.",
    fault=rotate,
    into=at("engine.tensor.ops.rope:rotate"),
    model={"positions": "rope"},
    found_by=("rotation", "op rope"),
    blind=("op attention", "causality", "attention", "first loss"),
)
