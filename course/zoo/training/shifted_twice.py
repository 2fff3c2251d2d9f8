"""C1: which token is the target."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....data.batches import IGNORED, Batch, Batches
from ..specimen import Specimen, at

right = Batches.batch


def batch(self: Any, position: int) -> Batch:
    """The micro-batch number `position`"""
    inputs, targets, segments = right(self, position)
    shifted = np.full_like(targets, IGNORED)
    shifted[:, :-1] = targets[:, 1:]
    return Batch(inputs, shifted, segments)


SPECIMEN = Specimen(
    id="C1",
    name="targets-shifted-twice",
    title="targets that are shifted already are shifted once more",
    case="huggingface/transformers PR#37830, #47394",
    symptom="The validation loss is worse by 0.4 nats, while the training loss falls as it should.",
    fault=batch,
    into=at("data.batches:Batches.batch"),
    found_by=("targets",),
    blind=("padding", "causality", "overfits", "first loss"),
)
