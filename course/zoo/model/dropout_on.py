"""B14: when dropout is on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..specimen import Specimen, at


def logits(self: Any, ids: np.ndarray, cache: Any = None) -> Any:
    """(B, T) -> (B, T, V)"""
    self.dropout.training = True
    return self.capped(self.head(self._blocks(np.asarray(ids), None, cache)))


SPECIMEN = Specimen(
    id="B14",
    name="dropout-while-evaluating",
    title="dropout is on while the model is evaluated",
    case="karpathy/nanoGPT PR#240",
    symptom="Measured twice on the same weights, the validation loss differs; it is worse by 0.009 nats.",
    fault=logits,
    into=at("models.gpt.tensor:GPT.logits"),
    found_by=("repeats", "cache", "causality"),
    blind=("dropout", "first loss", "overfits"),
)
