"""C8: a sum over micro-batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....engine.tensor.replicas import Accumulator
from ..specimen import Specimen, at

right = Accumulator.backward


def backward(self: Any, batches: Sequence[tuple[Any, ...]]) -> float:
    """The gradient of a step, from its micro-batches; returns the loss"""
    loss = right(self, batches)
    for parameter in self.model.parameters():
        parameter.grad *= max(1, sum(int((batch[1] != -1).sum()) for batch in batches))
    return loss


SPECIMEN = Specimen(
    id="C8",
    name="sum-for-mean",
    title="gradients are summed over tokens where their mean is meant",
    case="karpathy/build-nanogpt PR#30 is a cousin; distillKitPlus#5",
    symptom="The validation loss is worse by 0.004 nats; nothing else is to be seen in the curve.",
    fault=backward,
    into=at("engine.tensor.replicas:Accumulator.backward"),
    n_steps=30,
    found_by=("clip ratio", "accumulation"),
    blind=("padded loss", "clipping", "overfits", "op cross_entropy"),
)
