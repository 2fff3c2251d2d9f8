"""B9: softmax over everything."""

from __future__ import annotations

import numpy as np

from ....engine.tensor.ops.elementwise import Array, Vjp
from ..attention import attention_with
from ..specimen import Specimen


def weights(s: Array, seen: Array) -> tuple[Array, Vjp]:
    """softmax of what is seen       s, seen (B, H, T, T) -> (B, H, T, T)"""
    s = np.where(seen, s, -np.inf)
    e = np.exp(s - s.max())
    p = e / e.sum()
    return p, lambda g: (p * (g - (g * p).sum()),)


SPECIMEN = Specimen(
    id="B9",
    name="softmax-without-axis",
    title="softmax has no axis: one sum for the whole batch",
    case="ml-explore/mlx#1041",
    symptom="Evaluated in batches of another size, the same model has another loss.",
    fault=weights,
    into=attention_with("weights"),
    found_by=("rows", "attention", "causality", "op self_attention"),
    blind=("repeats", "first loss"),
)
