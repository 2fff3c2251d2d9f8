"""B2: what the scores are divided by."""

from __future__ import annotations

import math

from ....engine.tensor.ops.elementwise import Array, Vjp
from ..attention import attention_with
from ..specimen import Specimen


def scores(q: Array, k: Array) -> tuple[Array, Vjp]:
    """q k^T / sqrt(C)       (B, H, T, D), (B, H, T, D) -> (B, H, T, T)"""
    c = 1 / math.sqrt(q.shape[1] * q.shape[-1])
    return q @ k.swapaxes(-1, -2) * c, lambda g: (g @ k * c, g.swapaxes(-1, -2) @ q * c)


SPECIMEN = Specimen(
    id="B2",
    name="scale-by-width",
    title="scores are divided by the root of n_embd instead of the head's size",
    case="lucidrains/vit-pytorch#65; FareedKhan-dev/train-llm-from-scratch PR#3",
    symptom="The validation loss is worse by 0.0003 nats.",
    fault=scores,
    into=attention_with("scores"),
    found_by=("op self_attention", "cache"),
    blind=("op attention", "causality", "attention", "overfits"),
)
