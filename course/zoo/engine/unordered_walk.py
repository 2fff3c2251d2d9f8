"""A2: backward goes on from a node before its own slope is complete."""

from __future__ import annotations

from typing import Any

from ....errors import GuardError
from ..specimen import Specimen, at

MOST = 200_000
"""Visits: a graph of a thousand nodes has more paths than anybody has time."""


def backward(self: Any) -> None:
    """Add slopes to everything below, depth first."""
    for node in self.ancestors():
        if node.parents:
            node.grad = 0.0
    self.grad = 1.0
    frontier, n_visits = [self], 0
    while frontier:
        node, n_visits = frontier.pop(), n_visits + 1
        if n_visits > MOST:
            raise GuardError(f"backward has visited nodes {MOST:,} times, and comes to no end")
        for parent, slope in zip(node.parents, node.local_grads, strict=True):
            parent.grad += slope * node.grad
            frontier.append(parent)


SPECIMEN = Specimen(
    id="A2",
    name="no-topological-order",
    title="the graph is walked depth first, without an order",
    case="karpathy/micrograd#68, PR#64",
    symptom="Four doublings, b = a + a and so on, have the slope 16; here it is larger, and deep graphs never end.",
    fault=backward,
    into=at("engine.scalar.value:Value.backward"),
    found_by=("op layer_norm", "op rms_norm"),
    blind=("op exp", "op tanh", "causality", "overfits"),
)
