"""A3: the derivative of exp."""

from __future__ import annotations

from typing import Any

from ....engine.scalar.value import Value, _exp
from ..specimen import Specimen, at


def exp(self: Any) -> Value:
    """e^x"""
    return Value(_exp(self.data), (self,), (self.data,), "exp")


SPECIMEN = Specimen(
    id="A3",
    name="exp-slope",
    title="the slope of exp(x) is taken to be x",
    case="karpathy/nn-zero-to-hero#52",
    symptom="In single numbers softmax, attention and the sigmoid-like activations disagree with arrays.",
    fault=exp,
    into=at("engine.scalar.value:Value.exp"),
    found_by=("op exp", "op softmax", "layer Attention"),
    blind=("op log", "op layer_norm", "causality", "overfits"),
)
