"""A graph of Values as text that draws itself: Mermaid for Markdown, DOT for Graphviz, SVG for any browser.

Every node shows its name or operation, its value and its gradient as they are now (call backward() first); every
arrow shows the local derivative. The same graph gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..value import Value
from .picture import Node, Picture, picture
from .svg import render

_FILL = {"leaf": "#dbeafe", "op": "#f1f5f9", "result": "#dcfce7"}
_LINE = {"leaf": "#1d4ed8", "op": "#475569", "result": "#15803d"}
_INK = "#0f172a"


def mermaid(shown: Picture) -> str:
    """A Mermaid flowchart: put it in a ```mermaid block of a Markdown file."""
    lines = ["flowchart LR"]
    for i, node in enumerate(shown.nodes):
        left, right = {"leaf": ("([", "])"), "op": ("[", "]"), "result": ("[[", "]]")}[node.kind]
        text = "<br/>".join(_mermaid_text(line) for line in _lines(node))
        lines.append(f'    n{i}{left}"{text}"{right}:::{node.kind}')
    for edge in shown.edges:
        slope = f'|"{_mermaid_text(edge.slope)}"|' if edge.slope else ""
        lines.append(f"    n{edge.source} -->{slope} n{edge.target}")
    if shown.caption:
        lines.append(f'    more["{_mermaid_text(shown.caption)}"]:::more')
    lines += [f"    classDef {kind} fill:{fill},stroke:{_LINE[kind]},color:{_INK}" for kind, fill in _FILL.items()]
    if shown.caption:
        lines.append(f"    classDef more fill:#ffffff,stroke:#475569,color:{_INK},stroke-dasharray:4 3")
    return "\n".join(lines) + "\n"


def dot(shown: Picture) -> str:
    """A Graphviz digraph: `dot -Tpdf graph.dot -o graph.pdf` draws it."""
    lines = [
        "digraph value {",
        '    graph [rankdir=LR, bgcolor="#ffffff", fontname="monospace", fontsize=11]',
        f'    node [shape=box, style=filled, fontname="monospace", fontsize=11, fontcolor="{_INK}"]',
        f'    edge [color="#64748b", fontname="monospace", fontsize=9, fontcolor="{_LINE["op"]}"]',
    ]
    if shown.caption:
        lines.append(f'    label="{_dot_text(shown.caption)}"')
    for i, node in enumerate(shown.nodes):
        style = "rounded,filled" if node.kind == "leaf" else "filled"
        text = "\\n".join(_dot_text(line) for line in _lines(node))
        width = 2 if node.kind == "result" else 1
        lines.append(
            f'    n{i} [label="{text}", style="{style}", fillcolor="{_FILL[node.kind]}", '
            f'color="{_LINE[node.kind]}", penwidth={width}]'
        )
    lines += [f'    n{edge.source} -> n{edge.target} [label="{_dot_text(edge.slope)}"]' for edge in shown.edges]
    return "\n".join([*lines, "}"]) + "\n"


def to_svg(root: Value, *, labels: Mapping[Value, str] | None = None, max_nodes: int = 60) -> str:
    """A self-contained SVG image on a white ground of its own."""
    return render(picture(root, labels=labels, max_nodes=max_nodes))


def _lines(node: Node) -> list[str]:
    lines = [f"{node.title} = {node.op}" if node.op else node.title, f"{node.words} {node.data}", f"grad {node.grad}"]
    return [*lines, f"{node.hidden} not shown"] if node.hidden else lines


def _mermaid_text(text: str) -> str:
    """Letters, digits and the marks of arithmetic stay; all else becomes a character code, which Mermaid decodes."""
    text = re.sub(r"^([-*+]|\d+\.) ", "\\1\u00a0", text)  # else Mermaid sees an item of a Markdown list and refuses it
    return "".join(ch if ch.isalnum() or ch in " *+-/.,=" else f"#{ord(ch)};" for ch in text)


def _dot_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
