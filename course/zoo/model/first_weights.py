"""B15: how large the first weights are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....models.initial import _draw as right
from ..specimen import Specimen, at


def draw(parameter: Any, rng: np.random.Generator) -> np.ndarray:
    """The first numbers of a parameter; tables of tokens and their head have the spread 1."""
    table = parameter.draw == "normal" and parameter.shape[0] > parameter.shape[-1]
    return rng.normal(0.0, 1.0, parameter.shape) if table else right(parameter, rng)


SPECIMEN = Specimen(
    id="B15",
    name="first-weights-too-large",
    title="embedding and head begin with a standard deviation of 1",
    case="huggingface/transformers PR#26441, T5: a first loss of 110 where 11 is to be expected",
    symptom="The first loss is 5 nats above that of a guess, falls fast, and ends 0.1 nats above the usual.",
    fault=draw,
    into=at("models.initial:_draw"),
    found_by=("first loss",),
    blind=("causality", "cache", "overfits", "every weight learns"),
)
