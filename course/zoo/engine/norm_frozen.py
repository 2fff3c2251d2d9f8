"""A9: gains and biases of norms get no gradient."""

from __future__ import annotations

import numpy as np

from ....engine.tensor.ops import layer_norm as right
from ....engine.tensor.ops.elementwise import Array, Vjp
from ..specimen import Specimen, op


def layer_norm(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, eps: float = 1e-5
) -> tuple[Array, Vjp]:
    """y = n * weight + bias"""
    y, back = right(x, weight, bias, eps=eps)

    def vjp(g: Array) -> tuple[Array | None, ...]:
        gx, gw, gb = back(g)
        return gx, gw if gw is None else np.zeros_like(gw), gb if gb is None else np.zeros_like(gb)

    return y, vjp


SPECIMEN = Specimen(
    id="A9",
    name="norm-frozen",
    title="gain and bias of the norms are never trained",
    case="harvard-edge/cs249r_book PR#1504; huggingface/candle PR#3613",
    symptom="The validation loss is worse by 0.04 nats in each of three seeds.",
    fault=layer_norm,
    into=op("layer_norm"),
    found_by=("every weight learns", "op layer_norm", "layer LayerNorm gain bias"),
    blind=("causality", "overfits", "update", "first loss"),
)
