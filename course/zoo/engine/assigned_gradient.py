"""A1: a number that is used twice gets one gradient."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from ..specimen import Specimen, at


def backward(self: Any) -> None:
    """Set the slope of every node below, from the result down."""
    self.grad = 1.0
    inner = [node for node in self.ancestors() if node.parents]
    for node in sorted(inner, key=attrgetter("born"), reverse=True):
        for parent, slope in zip(node.parents, node.local_grads, strict=True):
            parent.grad = slope * node.grad


SPECIMEN = Specimen(
    id="A1",
    name="gradient-assigned",
    title="grad = where grad += is meant",
    case="karpathy/micrograd#2",
    symptom="(a + a).backward() gives a the slope 1.",
    fault=backward,
    into=at("engine.scalar.value:Value.backward"),
    found_by=("op softmax", "op layer_norm", "layer Block"),
    blind=("op exp", "causality", "overfits"),
)
