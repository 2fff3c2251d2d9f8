"""C4: what the sum of losses is divided by."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....engine.tensor.ops import cross_entropy as right
from ....engine.tensor.ops.elementwise import Array, Vjp
from ..specimen import Specimen, op


def cross_entropy(logits: Array, *, targets: Array, **options: Any) -> tuple[Array, Vjp]:
    """Mean of -log p(target)       logits (..., V), targets (...), -1 where nothing counts"""
    loss, back = right(logits, targets=targets, **options)
    share = float(np.mean(targets != -1))
    return np.asarray(loss * share, logits.dtype), lambda g: back(g * np.asarray(share, logits.dtype))


SPECIMEN = Specimen(
    id="C4",
    name="mean-over-padding",
    title="padded targets are left out of the sum of losses, and counted in what it is divided by",
    case="tracel-ai/burn#5568; PaddlePaddle/Paddle#48663",
    symptom="The same text has a lower loss beside longer ones.",
    fault=cross_entropy,
    into=op("cross_entropy"),
    found_by=("padded loss", "accumulation", "op cross_entropy"),
    blind=("padding", "targets", "causality", "overfits"),
)
