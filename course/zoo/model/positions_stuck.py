"""B11: where tokens stand."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....models.gpt.tensor import GPT
from ..specimen import Specimen, at

right = GPT.embed


def embed(self: Any, ids: np.ndarray, positions: np.ndarray) -> Any:
    """What enters the first block       ids (B, T), positions (T,) -> (B, T, C)"""
    return right(self, ids, np.zeros_like(positions))


SPECIMEN = Specimen(
    id="B11",
    name="positions-stuck",
    title="every token stands at place 0",
    case="common where positions are a default argument",
    symptom="The validation loss is worse by 0.04 nats; no op, layer or block is wrong.",
    fault=embed,
    into=at("models.gpt.tensor:GPT.embed"),
    found_by=("model microgpt",),
    blind=("every weight learns", "op embedding_sum", "layer Block", "causality", "cache", "first loss"),
)
