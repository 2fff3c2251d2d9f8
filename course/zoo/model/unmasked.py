"""B4: who may be looked at."""

from __future__ import annotations

import numpy as np

from ....engine.tensor.ops.elementwise import Array, Vjp
from ..attention import attention_with
from ..specimen import Specimen


def weights(s: Array, seen: Array) -> tuple[Array, Vjp]:
    """softmax over the keys       s, seen (B, H, T, T) -> (B, H, T, T)"""
    e = np.exp(s - s.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    return p, lambda g: (p * (g - (g * p).sum(-1, keepdims=True)),)


SPECIMEN = Specimen(
    id="B4",
    name="no-causal-mask",
    title="there is no causal mask",
    case="karpathy/nanoGPT#331",
    symptom="The validation loss is better by 0.29 nats after 200 steps, and what is sampled is rubbish.",
    fault=weights,
    into=attention_with("weights"),
    found_by=("causality", "cache", "op self_attention"),
    blind=("rows", "attention", "first loss", "every weight learns"),
)
