"""B8: the axis of softmax."""

from __future__ import annotations

import numpy as np

from ....engine.tensor.ops.elementwise import Array, Vjp
from ..attention import attention_with
from ..specimen import Specimen


def weights(s: Array, seen: Array) -> tuple[Array, Vjp]:
    """softmax of what is seen       s, seen (B, H, T, T) -> (B, H, T, T)"""
    s = np.where(seen, s, -np.inf)
    e = np.exp(s - s.max(-2, keepdims=True))
    p = e / e.sum(-2, keepdims=True)
    return p, lambda g: (p * (g - (g * p).sum(-2, keepdims=True)),)


SPECIMEN = Specimen(
    id="B8",
    name="softmax-axis",
    title="softmax goes over the queries instead of the keys",
    case="seen where scores are k q^T and the axis is not changed with them",
    symptom="The validation loss is better by 0.22 nats, too good for a model of this size.",
    fault=weights,
    into=attention_with("weights"),
    found_by=("attention", "causality", "cache", "op self_attention"),
    blind=("rows", "first loss"),
)
