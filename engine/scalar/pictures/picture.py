"""What a picture of a graph shows: which nodes, their texts, and the arrows between them. Not how it looks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter

from ..value import Value

_LONGEST_NAME = 24


@dataclass(frozen=True)
class Node:
    """One box: `title` is the name if it has one, else the operation; `op` is empty where it is the title."""

    title: str
    op: str
    data: str
    grad: str
    kind: str
    """leaf | op | result"""
    hidden: int
    """How many of its parents the picture leaves out."""
    words: str = "data"
    """What `data` is."""


@dataclass(frozen=True)
class Edge:
    """An arrow from a parent to what was computed from it, with the local derivative d(target)/d(source)."""

    source: int
    target: int
    slope: str


@dataclass(frozen=True)
class Picture:
    """Nodes from the oldest to the youngest, which is the result: every arrow points from a lower to a higher index."""

    nodes: list[Node]
    edges: list[Edge]
    left_out: int
    asked: bool
    """Some gradient is not 0."""
    is_older: bool = False
    """The result's own gradient is 0 and others are not: they are of an earlier backward()."""

    @property
    def caption(self) -> str:
        """Says what was left out, and whose the gradients are; empty where there is nothing to say."""
        remarks = [] if self.asked else ["backward() not called yet: every grad is 0"]
        if self.is_older:
            remarks = ["backward() not called on this result yet: a grad that is not 0 is an earlier one's"]
        if self.left_out:
            shown = f"{len(self.nodes)} {'node' if len(self.nodes) == 1 else 'nodes'} nearest the result"
            remarks = [f"the {shown}; {self.left_out:,} more left out", *remarks]
        return "; ".join(remarks)


def picture(root: Value, *, labels: Mapping[Value, str] | None = None, max_nodes: int = 60) -> Picture:
    """The `max_nodes` nodes with the shortest way to `root`, younger first among equals.

    Raises ValueError if max_nodes is not at least 1.
    """
    if max_nodes < 1:
        raise ValueError(f"max_nodes={max_nodes} shows nothing: choose 1 or more")
    kept = _nearest(root, max_nodes)
    index = {node: i for i, node in enumerate(kept)}
    names = labels or {}
    nodes = [_box(node, names.get(node, ""), node is root, index) for node in kept]
    edges = [
        Edge(index[parent], index[node], number(slope))
        for node in kept
        for parent, slope in zip(node.parents, node.local_grads, strict=True)
        if parent in index
    ]
    asked = any(node.grad for node in kept)  # a nan counts: it is not 0
    return Picture(nodes, edges, len(root.ancestors()) - len(kept), asked, is_older=asked and root.grad == 0)


def number(x: float) -> str:
    """Four significant digits; no minus sign on zero."""
    return f"{x + 0.0:.4g}"


def _nearest(root: Value, max_nodes: int) -> list[Value]:
    kept = {root}
    frontier = [root]
    while frontier and len(kept) < max_nodes:
        found = {parent for node in frontier for parent in node.parents} - kept
        frontier = sorted(found, key=attrgetter("born"), reverse=True)[: max_nodes - len(kept)]
        kept.update(frontier)
    return sorted(kept, key=attrgetter("born"))


def _box(node: Value, name: str, is_result: bool, index: Mapping[Value, int]) -> Node:
    op = _op_text(node) if node.parents else node.op or "leaf"
    title = _one_line(name) or _one_line(op)
    return Node(
        title=title,
        op=_one_line(op) if name and node.parents else "",
        data=number(node.data),
        grad=number(node.grad),
        kind="result" if is_result else "op" if node.parents else "leaf",
        hidden=sum(parent not in index for parent in node.parents),
    )


def _op_text(node: Value) -> str:
    """The operation with its number where only one side is a Value: "+1" for a + 1, "2-" for 2 - a, "/3", "3/"."""
    if len(node.parents) != 1 or node.op not in ("+", "-", "*", "/"):
        return node.op or "?"
    x, slope, y = node.parents[0].data, node.local_grads[0], node.data
    if node.op == "*":
        left, right = "", slope
    elif node.op == "+":
        left, right = "", y - x
    elif node.op == "-":
        left, right = ("", x - y) if slope > 0 else (number(y + x), math.nan)
    elif slope and math.isclose(y, x * slope, rel_tol=1e-9):
        left, right = "", 1 / slope
    else:
        left, right = number(y * x), math.nan
    if left:
        return f"{left}{node.op}"
    if node.op in "+-" and right < 0:
        return f"{'-' if node.op == '+' else '+'}{number(-right)}"
    return f"{node.op}{number(right)}" if math.isfinite(right) else node.op


def _one_line(text: str) -> str:
    text = "".join(ch if ch.isprintable() else " " for ch in " ".join(text.split()))
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"
