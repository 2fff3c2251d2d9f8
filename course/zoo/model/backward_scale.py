"""B1: the scale of attention's scores, on the way back."""

from __future__ import annotations

import math

from ....engine.tensor.ops.elementwise import Array, Vjp
from ..attention import attention_with
from ..specimen import Specimen


def scores(q: Array, k: Array) -> tuple[Array, Vjp]:
    """q k^T / sqrt(D)       (B, H, T, D), (B, H, T, D) -> (B, H, T, T)"""
    return q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]), lambda g: (g @ k, g.swapaxes(-1, -2) @ q)


SPECIMEN = Specimen(
    id="B1",
    name="scale-not-backward",
    title="dQ and dK lack the factor 1 / sqrt(D)",
    case="RustGPT, self-attention",
    symptom="The validation loss differs by 0.001 nats at most, with either sign.",
    fault=scores,
    into=attention_with("scores"),
    found_by=("op self_attention", "layer Attention"),
    blind=("op attention", "causality", "attention", "cache", "overfits"),
)
