"""B10: what a block adds to."""

from __future__ import annotations

from typing import Any

from ..specimen import Specimen, at


def block(self: Any, x: Any, positions: Any, segments: Any, drop: Any, memory: Any) -> Any:
    """Attention, then the MLP, each of the normed stream       x (B, T, C) -> (B, T, C)"""
    x = drop(self.attn(self.norm_1(x), positions, segments, memory))
    return drop(self.mlp(self.norm_2(x)))


SPECIMEN = Specimen(
    id="B10",
    name="residual-forgotten",
    title="a block returns its branches without adding them to the stream",
    case="common; it has no thread, since the model learns",
    symptom="The validation loss is worse by 0.28 nats; every op is right.",
    fault=block,
    into=at("models.gpt.tensor:Block.__call__"),
    found_by=("layer Block",),
    blind=("layer Attention", "layer MLP", "causality", "cache", "first loss"),
)
