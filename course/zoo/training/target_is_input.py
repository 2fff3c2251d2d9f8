"""C2: a question that holds its answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....data.batches import IGNORED, Batch, Batches
from ..specimen import Specimen, at

right = Batches.batch


def batch(self: Any, position: int) -> Batch:
    """The micro-batch number `position`"""
    inputs, targets, segments = right(self, position)
    return Batch(inputs, np.where(targets == IGNORED, IGNORED, inputs), segments)


SPECIMEN = Specimen(
    id="C2",
    name="targets-are-inputs",
    title="targets are not shifted: each token is its own answer",
    case="huggingface/transformers#27517",
    symptom="The training loss goes to nearly 0, and the validation loss is worse by 2.7 nats.",
    fault=batch,
    into=at("data.batches:Batches.batch"),
    found_by=("targets", "padding"),
    blind=("batches", "causality", "overfits", "first loss"),
)
