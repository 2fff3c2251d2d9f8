"""D4: what the temperature divides."""

from __future__ import annotations

import numpy as np

from ....inference.samplers import Sampling, _among_largest
from ..specimen import Specimen, at


def weights(scores: np.ndarray, sampling: Sampling) -> np.ndarray:
    """What is drawn from, in proportion       logits (V,) -> (V,)"""
    found = np.exp(scores - scores.max()) / sampling.temperature
    if 0 < sampling.top_k < len(found):
        found[~_among_largest(scores, sampling.top_k)] = 0
    return np.asarray(found)


SPECIMEN = Specimen(
    id="D4",
    name="temperature-on-probabilities",
    title="the temperature divides probabilities, which are then normalised again",
    case="common; dividing by a constant and normalising is doing nothing",
    symptom="Texts are as varied at temperature 0.2 as at 1.",
    fault=weights,
    into=at("inference.samplers:_weights"),
    found_by=("draws",),
    blind=("top-k", "beam", "cache", "causality"),
)
