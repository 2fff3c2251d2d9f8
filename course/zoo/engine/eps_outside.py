"""A10: where the eps of a norm is added."""

from __future__ import annotations

import numpy as np

from ....engine.tensor.ops.elementwise import Array, Vjp
from ..specimen import Specimen, op


def layer_norm(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, eps: float = 1e-5
) -> tuple[Array, Vjp]:
    """y = n * weight + bias,  n = (x - mean) / (sqrt(var) + eps)"""
    centred = x - x.mean(-1, keepdims=True)
    std = np.sqrt(np.square(centred).mean(-1, keepdims=True))
    n = centred / (std + eps)
    y = n * (1.0 if weight is None else weight) + (0.0 if bias is None else bias)

    def vjp(g: Array) -> tuple[Array | None, ...]:
        axes, gn = tuple(range(x.ndim - 1)), g if weight is None else g * weight
        along = (gn * centred).mean(-1, keepdims=True) / std
        gx = (gn - gn.mean(-1, keepdims=True) - n * along) / (std + eps)
        return gx, None if weight is None else (g * n).sum(axes), None if bias is None else g.sum(axes)

    return y.astype(x.dtype), vjp


SPECIMEN = Specimen(
    id="A10",
    name="eps-outside-root",
    title="eps is added to the standard deviation instead of the variance",
    case="RustGPT, LayerNorm",
    symptom="Nothing moves, in no digit that is printed: the slopes are slopes, of another function.",
    fault=layer_norm,
    into=op("layer_norm"),
    found_by=("op layer_norm",),
    blind=("op rms_norm", "causality", "overfits", "first loss"),
)
