"""B5: what hidden scores are set to."""

from __future__ import annotations

import numpy as np

from ....engine.tensor.ops.elementwise import Array, Vjp
from ..attention import attention_with
from ..specimen import Specimen


def weights(s: Array, seen: Array) -> tuple[Array, Vjp]:
    """softmax over the keys that are seen       s, seen (B, H, T, T) -> (B, H, T, T)"""
    s = np.where(seen, s, -1.0)
    e = np.exp(s - s.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    return p, lambda g: (np.where(seen, p * (g - (g * p).sum(-1, keepdims=True)), 0.0),)


SPECIMEN = Specimen(
    id="B5",
    name="mask-too-near",
    title="hidden scores are set to a finite number that others come near",
    case="karpathy/minGPT#75; huggingface/transformers#17121, where it is -10000",
    symptom="The validation loss is better by 0.18 nats after 200 steps, and falls on.",
    fault=weights,
    into=attention_with("weights"),
    found_by=("causality", "cache", "op self_attention"),
    blind=("rows", "attention", "first loss"),
)
