"""B13: what dropout multiplies with."""

from __future__ import annotations

import numpy as np

from ....engine.tensor.ops.elementwise import Array, Vjp
from ..specimen import Specimen, op


def dropout(x: Array, *, p: float, rng: np.random.Generator) -> tuple[Array, Vjp]:
    """y = x m, m = 0 with probability p, else 1 / p"""
    mask = ((rng.random(x.shape) >= p) / p).astype(x.dtype)
    return x * mask, lambda g: (g * mask,)


SPECIMEN = Specimen(
    id="B13",
    name="dropout-scale",
    title="what dropout keeps is divided by p instead of 1 - p",
    case="lmjohns3/theanets PR#123; kaldi-asr/kaldi#2814",
    symptom="The validation loss differs by 0.001 nats, and is the same when it is measured twice.",
    fault=dropout,
    into=op("dropout"),
    found_by=("dropout",),
    blind=("repeats", "causality", "cache", "first loss"),
)
