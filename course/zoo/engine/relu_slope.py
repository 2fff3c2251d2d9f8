"""A11: the derivative of ReLU below 0."""

from __future__ import annotations

import numpy as np

from ....engine.tensor.ops.elementwise import Array, Vjp
from ..specimen import Specimen, op


def relu(x: Array) -> tuple[Array, Vjp]:
    """y = max(x, 0)"""
    y = np.maximum(x, 0)
    return y, lambda g: (g * (y >= 0),)


SPECIMEN = Specimen(
    id="A11",
    name="relu-slope",
    title="ReLU's mask is made from its output with >=, so that it is 1 everywhere",
    case="common in courses: y >= 0 holds of every output of max(x, 0)",
    symptom="With relu the validation loss is worse by 0.055 nats, and no unit ever dies.",
    fault=relu,
    into=op("relu"),
    model={"activation": "relu"},
    found_by=("op relu",),
    blind=("op relu2", "causality", "dead units", "overfits"),
)
