"""A12: the gradient of a bias that was broadcast over rows."""

from __future__ import annotations

from ....engine.tensor.ops.elementwise import Array, Vjp
from ..specimen import Specimen, op


def linear(x: Array, weight: Array, bias: Array | None = None) -> tuple[Array, Vjp]:
    """y = x weight^T + bias"""
    y = x @ weight.T if bias is None else x @ weight.T + bias

    def vjp(g: Array) -> tuple[Array | None, ...]:
        g2, x2 = g.reshape(-1, g.shape[-1]), x.reshape(-1, x.shape[-1])
        return g @ weight, g2.T @ x2, None if bias is None else g2.mean(0)

    return y, vjp


SPECIMEN = Specimen(
    id="A12",
    name="bias-averaged",
    title="the gradient of a bias is the mean over rows, where it is their sum",
    case="common in engines with broadcasting: the way back of a broadcast is a sum",
    symptom="The validation loss is better, by 0.003 nats.",
    fault=linear,
    into=op("linear"),
    found_by=("op linear", "layer Linear bias", "accumulation"),
    blind=("op matmul", "causality", "first loss", "overfits"),
)
