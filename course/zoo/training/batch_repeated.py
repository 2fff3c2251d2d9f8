"""C5: which batch comes next."""

from __future__ import annotations

from typing import Any

from ....data.batches import Batch, Batches
from ..specimen import Specimen, at

right = Batches.batch


def batch(self: Any, position: int) -> Batch:
    """The micro-batch number `position`"""
    return right(self, position // 4)


SPECIMEN = Specimen(
    id="C5",
    name="batches-repeated",
    title="a batch is handed out again: to every worker, or after a restart",
    case="pytorch/pytorch#5059; karpathy/nanoGPT#467; Lightning-AI/litgpt#1712",
    symptom="The validation loss is worse by 0.04 nats.",
    fault=batch,
    into=at("data.batches:Batches.batch"),
    found_by=("batches",),
    blind=("targets", "overlap", "overfits", "first loss"),
)
