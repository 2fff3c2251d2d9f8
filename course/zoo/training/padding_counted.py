"""C3: what counts as a target."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....data.batches import IGNORED, Batch, Batches
from ..specimen import Specimen, at

right = Batches.batch


def batch(self: Any, position: int) -> Batch:
    """The micro-batch number `position`"""
    inputs, targets, segments = right(self, position)
    return Batch(inputs, np.where(targets == IGNORED, 0, targets), segments)


SPECIMEN = Specimen(
    id="C3",
    name="padding-counted",
    title="the loss counts padding",
    case="neulab/xnmt PR#229; ml-explore/mlx-lm PR#1855; axolotl PR#3988",
    symptom="The training loss is far below the validation loss, which is as usual within 0.007 nats.",
    fault=batch,
    into=at("data.batches:Batches.batch"),
    found_by=("padding",),
    blind=("targets", "padded loss", "causality", "overfits"),
)
