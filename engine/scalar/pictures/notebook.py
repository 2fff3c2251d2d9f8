"""What a notebook shows of a Value: the graph below it. Imports nothing of a notebook: it asks, we answer in SVG."""

from __future__ import annotations

from dataclasses import dataclass

from ..value import Value
from .text import to_svg

MOST_NODES = 30
"""Of a graph that is drawn unasked; a larger one says how large it is."""


@dataclass(frozen=True)
class Drawing:
    """A picture that a notebook shows, and whose text is a file: `Path("y.svg").write_text(str(drawing))`."""

    svg: str

    def __str__(self) -> str:
        return self.svg

    def _repr_svg_(self) -> str:
        return self.svg


def show(root: Value, /, *, max_nodes: int = 60, **names: Value) -> Drawing:
    """The graph of `root` with names in it.

    >>> a, b = Value(2.0), Value(3.0)
    >>> "<svg" in str(show(a * b, a=a, b=b))
    True
    """
    return Drawing(to_svg(root, labels={value: name for name, value in names.items()}, max_nodes=max_nodes))


def bundle(root: Value) -> dict[str, str]:
    """Text, and the picture where it can be taken in."""
    n_nodes = len(root.ancestors())
    if n_nodes > MOST_NODES:
        return {"text/plain": f"{root!r}, computed from {n_nodes - 1:,} others: too many to draw unasked, see show()"}
    return {"text/plain": repr(root), "image/svg+xml": to_svg(root, max_nodes=MOST_NODES)}
