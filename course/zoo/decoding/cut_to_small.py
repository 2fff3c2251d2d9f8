"""D3: what the logits that top-k cuts are set to."""

from __future__ import annotations

import numpy as np

from ....inference.samplers import Sampling, _among_largest
from ..specimen import Specimen, at


def weights(scores: np.ndarray, sampling: Sampling) -> np.ndarray:
    """What is drawn from, in proportion       logits (V,) -> (V,)"""
    scores = scores.copy()
    if 0 < sampling.top_k < len(scores):
        scores[~_among_largest(scores, sampling.top_k)] = 1e-10
    return np.asarray(np.exp((scores - scores.max()) / sampling.temperature))


SPECIMEN = Specimen(
    id="D3",
    name="cut-to-small",
    title="top-k sets the logits that it cuts to 1e-10 instead of minus infinity",
    case="karpathy/minGPT#10",
    symptom="With top_k = 3, much of what is drawn is none of the three.",
    fault=weights,
    into=at("inference.samplers:_weights"),
    found_by=("top-k",),
    blind=("draws", "beam", "cache", "causality"),
)
