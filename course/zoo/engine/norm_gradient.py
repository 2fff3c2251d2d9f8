"""A7: LayerNorm's gradient, with the normalised x where x - mean is needed."""

from __future__ import annotations

import numpy as np

from ....engine.tensor.ops.elementwise import Array, Vjp
from ..specimen import Specimen, op


def layer_norm(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, eps: float = 1e-5
) -> tuple[Array, Vjp]:
    """y = n * weight + bias,  n = (x - mean) / sqrt(var + eps)"""
    root = np.sqrt(x.var(-1, keepdims=True) + eps)
    n = (x - x.mean(-1, keepdims=True)) / root
    y = n * (1.0 if weight is None else weight) + (0.0 if bias is None else bias)

    def vjp(g: Array) -> tuple[Array | None, ...]:
        axes, gn = tuple(range(x.ndim - 1)), g if weight is None else g * weight
        gx = (gn - gn.mean(-1, keepdims=True) - n * (gn * n).mean(-1, keepdims=True) / root) / root
        return gx, None if weight is None else (g * n).sum(axes), None if bias is None else g.sum(axes)

    return y.astype(x.dtype), vjp


SPECIMEN = Specimen(
    id="A7",
    name="norm-gradient",
    title="LayerNorm's gradient divides once too often",
    case="RustGPT: the normalised x stands where x - mean belongs",
    symptom="Of three seeds two are stopped by a guard; the third is worse by 0.76 nats.",
    fault=layer_norm,
    into=op("layer_norm"),
    found_by=("op layer_norm", "layer LayerNorm"),
    blind=("op rms_norm", "causality", "first loss"),
)
