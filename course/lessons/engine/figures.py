"""The pictures of lesson 2: one graph, and the slopes that two orders of the same walk leave in it."""

from __future__ import annotations

from collections.abc import Sequence

from ....engine.scalar.pictures.text import to_svg
from ....engine.scalar.value import Value


def figures() -> dict[str, str]:
    """Name of the file -> SVG; the same bytes each time."""
    return {"too-early.svg": _walked("aybc"), "in-order.svg": _walked("aycb")}


def _walked(order: Sequence[str]) -> str:
    """b = 2a, c = b + 1, y = b c, once each node of `order` has handed on; only the result has a slope before."""
    a = Value(3.0)
    b = a * 2
    c = b + 1
    y = b * c
    names = {"a": a, "b": b, "c": c, "y": y}
    y.grad = 1.0
    for name in order:
        node = names[name]
        for parent, slope in zip(node.parents, node.local_grads, strict=True):
            parent.grad += slope * node.grad
    return to_svg(y, labels={node: name for name, node in names.items()})
