"""C7: how micro-batches are weighed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....engine.tensor.replicas import Accumulator
from ..specimen import Specimen, at

right = Accumulator.backward


def backward(self: Any, batches: Sequence[tuple[Any, ...]]) -> float:
    """The gradient of a step, from its micro-batches; returns the loss"""
    master, found = list(self.model.parameters()), []
    for batch in batches:
        loss = right(self, [batch])
        found.append((loss, [parameter.grad.copy() for parameter in master]))
    for i, parameter in enumerate(master):
        parameter.grad[...] = np.mean([gradients[i] for _, gradients in found], axis=0)
    return float(np.mean([loss for loss, _ in found]))


SPECIMEN = Specimen(
    id="C7",
    name="mean-of-means",
    title="micro-batches of unequal length weigh the same",
    case="huggingface/transformers PR#34191, #35438, #37766",
    symptom="With 4 micro-batches the validation loss differs by 0.001 nats from what it should be.",
    fault=backward,
    into=at("engine.tensor.replicas:Accumulator.backward"),
    training={"grad_accum": 4},
    found_by=("accumulation",),
    blind=("padded loss", "clipping", "overfits", "op cross_entropy"),
)
