"""The picture of lesson 1, drawn by the engine's own code."""

from __future__ import annotations

from ....engine.scalar.pictures.text import to_svg
from ....engine.scalar.value import Value


def figures() -> dict[str, str]:
    """Name of the file -> SVG; the same bytes each time."""
    a, b, c = Value(2.0), Value(-3.0), Value(10.0)
    y = a * b + c.relu()
    y.backward()
    return {"graph.svg": to_svg(y, labels={a: "a", b: "b", c: "c", y: "y"})}
