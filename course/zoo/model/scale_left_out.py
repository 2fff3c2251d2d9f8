"""B3: scores that are not divided."""

from __future__ import annotations

from ....engine.tensor.ops.elementwise import Array, Vjp
from ..attention import attention_with
from ..specimen import Specimen


def scores(q: Array, k: Array) -> tuple[Array, Vjp]:
    """q k^T       (B, H, T, D), (B, H, T, D) -> (B, H, T, T)"""
    return q @ k.swapaxes(-1, -2), lambda g: (g @ k, g.swapaxes(-1, -2) @ q)


SPECIMEN = Specimen(
    id="B3",
    name="no-scale",
    title="scores are not divided by the root of the head's size",
    case="tiny-transformers#71; mlc-ai/mlc-llm PR#3426",
    symptom="The validation loss is better, by 0.001 nats.",
    fault=scores,
    into=attention_with("scores"),
    found_by=("op self_attention", "cache"),
    blind=("op attention", "causality", "attention", "overfits"),
)
