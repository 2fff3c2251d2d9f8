"""D1: where the next token stands."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..specimen import Specimen, at


def positions(self: Any, n_new: int) -> np.ndarray:
    """Where the next n_new tokens stand       -> (T,)"""
    return np.arange(n_new)


SPECIMEN = Specimen(
    id="D1",
    name="cache-forgets-position",
    title="tokens read with a cache stand at place 0 again",
    case="huggingface/nanoVLM PR#71; lucidrains/x-transformers#219; pytorch/torchtune#959",
    symptom="The validation loss is as it should be; samples are longer and stranger than they were.",
    fault=positions,
    into=at("models.gpt.cache:KVCache.positions"),
    found_by=("cache",),
    blind=("causality", "repeats", "rows", "draws", "beam"),
)
