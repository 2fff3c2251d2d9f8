"""C15: biases that begin far below 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....models.initial import _draw as right
from ..specimen import Specimen, at


def draw(parameter: Any, rng: np.random.Generator) -> np.ndarray:
    """The first numbers of a parameter; biases begin anywhere between -8 and 0."""
    is_bias = len(parameter.shape) == 1 and not parameter.scale
    return rng.uniform(-8.0, 0.0, parameter.shape) if is_bias else right(parameter, rng)


SPECIMEN = Specimen(
    id="C15",
    name="biases-far-below-zero",
    title="first biases are so negative that hidden units never fire",
    case="facebookresearch/dlrm PR#358",
    symptom="With relu the validation loss is worse by 0.3 nats, as if the model were much smaller.",
    fault=draw,
    into=at("models.initial:_draw"),
    model={"activation": "relu", "norm_bias": False, "attn_bias": False},
    found_by=("dead units", "stream"),
    blind=("causality", "accumulation", "first step"),
)
