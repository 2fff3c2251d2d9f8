"""A6: the gradient of softmax, in attention, without its sum."""

from __future__ import annotations

import numpy as np

from ....engine.tensor.ops.elementwise import Array, Vjp
from ..attention import attention_with
from ..specimen import Specimen


def weights(s: Array, seen: Array) -> tuple[Array, Vjp]:
    """softmax over the keys that are seen       s, seen (B, H, T, T) -> (B, H, T, T)"""
    s = np.where(seen, s, -np.inf)
    e = np.exp(s - s.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    return p, lambda g: (p * g,)


SPECIMEN = Specimen(
    id="A6",
    name="softmax-without-sum",
    title="the gradient of softmax keeps the diagonal of its Jacobian alone",
    case="common in courses: p (1 - p) is the diagonal, and taken for all of it",
    symptom="The validation loss differs by 0.002 nats at most, with either sign.",
    fault=weights,
    into=attention_with("weights"),
    found_by=("op self_attention",),
    blind=("op attention", "causality", "attention", "cache"),
)
