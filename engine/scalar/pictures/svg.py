"""A picture of a graph as a self-contained SVG: boxes, arrows with their slopes, a caption. Layout is in layout.py.

Text is measured by counting characters of a fixed-width font, so it stays inside its box whichever font is found.
"""

from __future__ import annotations

from collections import Counter
from html import escape
from unicodedata import combining, east_asian_width

from .layout import COLUMN_GAP, Box, Curve, Layout, Point, layout
from .picture import Node, Picture

_FONT = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
_ADVANCE = 0.61
"""Width of a character of a fixed-width font, in units of its size (0.55 to 0.61 in the fonts above)."""
_TITLE, _TEXT, _SMALL = 14.0, 12.0, 10.5
_PADDING = 10.0
_MARGIN = 24.0
_ARROW_STEP = 12.0
"""Least distance between two arrows that enter a box."""
_HEAD = 7.0
"""Length of an arrow head."""
_INK, _MUTED, _WIRE = "#0f172a", "#475569", "#64748b"
_COLOURS = {"leaf": ("#dbeafe", "#1d4ed8"), "op": ("#f8fafc", "#64748b"), "result": ("#dcfce7", "#15803d")}
_LEGEND = ("blue: given, green: the result", "grad: d(result)/d(box), on an arrow: the local derivative")
_LEGEND_OF_PARTS = ("size: of each parameter, and numbers in all", "grad: sqrt(sum of squared d(loss)/d(number))")
_NARROWEST = 390.0
"""Room for the longer line of the legend."""


def render(picture: Picture) -> str:
    """The SVG document; the same picture gives the same bytes."""
    result = picture.nodes[-1]
    arriving = Counter(edge.target for edge in picture.edges)
    sizes = [_size(node, arriving[i]) for i, node in enumerate(picture.nodes)]
    gap = COLUMN_GAP if any(edge.slope for edge in picture.edges) else COLUMN_GAP / 3
    placed = layout(sizes, [(edge.source, edge.target) for edge in picture.edges], column_gap=gap)
    width = max(placed.width, _NARROWEST) + 2 * _MARGIN
    left = (width - placed.width) / 2
    legend = _LEGEND if result.words == "data" else _LEGEND_OF_PARTS
    notes = [*([picture.caption] if picture.caption else []), *legend]
    below = _MARGIN + placed.height + 22
    height = below + 15 * len(notes) + _MARGIN - 10
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} font-family="{_FONT}">',
        f"<title>{_text(f'Graph of {result.title}: {result.words} {result.data}, {len(picture.nodes)} nodes')}</title>",
        f"<desc>{_text(_description(picture))}</desc>",
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" fill="#ffffff"/>',
        f'<g transform="translate({left:.1f} {_MARGIN:.1f})">',
        *_arrows(placed),
        *[_box(node, box) for node, box in zip(picture.nodes, placed.boxes, strict=True)],
        *_slopes(picture, placed),
        "</g>",
    ]
    for i, line in enumerate(notes):
        lines.append(_words(line, (_MARGIN, below + 12 + 15 * i), _SMALL, _MUTED))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _size(node: Node, n_arrows: int) -> Point:
    numbers = max(_columns(node.data), _columns(node.grad)) + 6  # "data" or "grad" and two spaces before it
    title = _columns(node.title) + (_columns(node.op) + 2 if node.op else 0)
    width = max(title * _TITLE, numbers * _TEXT, _columns(_hidden(node)) * _SMALL) * _ADVANCE + 2 * _PADDING
    return max(96.0, width), max(_text_height(node), _ARROW_STEP * (n_arrows + 1))


def _text_height(node: Node) -> float:
    return 78.0 if node.hidden else 62.0


def _box(node: Node, box: Box) -> str:
    x, y, right, bottom = box
    middle = (x + right) / 2
    fill, line = _COLOURS[node.kind]
    corner, stroke = (14 if node.kind == "leaf" else 4), (2 if node.kind == "result" else 1.2)
    paint = f'rx="{corner}" fill="{fill}" stroke="{line}" stroke-width="{stroke}"'
    parts = [f'<rect x="{x:.1f}" y="{y:.1f}" width="{right - x:.1f}" height="{bottom - y:.1f}" {paint}/>']
    left, right = x + _PADDING, right - _PADDING
    y += (bottom - y - _text_height(node)) / 2
    if node.op:
        parts.append(_words(node.title, (left, y + 20), _TITLE, _INK, bold=True))
        parts.append(_words(node.op, (right, y + 20), _TITLE, _MUTED, anchor="end"))
    else:
        parts.append(_words(node.title, (middle, y + 20), _TITLE, _INK, bold=True, anchor="middle"))
    for row, (key, number) in enumerate(((node.words, node.data), ("grad", node.grad))):
        parts.append(_words(key, (left, y + 38 + 16 * row), _TEXT, _MUTED))
        parts.append(_words(number, (right, y + 38 + 16 * row), _TEXT, _INK, anchor="end"))
    if node.hidden:
        parts.append(_words(_hidden(node), (middle, y + 70), _SMALL, _MUTED, anchor="middle"))
    return "<g>" + "".join(parts) + "</g>"


def _arrows(placed: Layout) -> list[str]:
    lines = []
    drawn: set[Curve] = set()
    for route in placed.routes:
        path, x = "", route[0][0][0]
        for curve in route:
            (x0, y0), (x1, y1) = curve
            if curve not in drawn:  # arrows from one box share their way until they part
                drawn.add(curve)
                middle = (x0 + x1) / 2
                path = path or f"M{x:.1f} {y0:.1f}"
                path += f"H{x0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1 - _HEAD:.1f} {y1:.1f}"
            x = x1 - _HEAD
        tip, y = route[-1][1]
        lines.append(f'<path d="{path}" fill="none" stroke="{_WIRE}" stroke-width="1.3"/>')
        lines.append(f'<path d="M{tip - 1:.1f} {y:.1f}l-8 -3.6v7.2z" fill="{_WIRE}"/>')
    return lines


def _slopes(picture: Picture, placed: Layout) -> list[str]:
    """The local derivative on each arrow, where it has room: clear of other labels, arrows and boxes."""
    gaps: dict[float, set[Curve]] = {}  # by the left side of the column that they end at
    for route in placed.routes:
        for curve in route:
            gaps.setdefault(curve[1][0], set()).add(curve)
    taken: dict[float, list[Box]] = {gap: [] for gap in gaps}
    lines = []
    for edge, route in zip(picture.edges, placed.routes, strict=True):
        if not edge.slope:
            continue
        curve = route[-1]  # earlier ones may be shared with other arrows
        gap = curve[1][0]
        width, height = _columns(edge.slope) * _ADVANCE * _SMALL + 6, 14.0
        for t in (0.5, 0.6, 0.4, 0.7, 0.3):
            x, y = _at(curve, t)
            label = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            if label[0] < curve[0][0] or label[2] > gap - 2 * _HEAD or any(_overlap(label, box) for box in taken[gap]):
                continue
            span = _when(curve, label[0]), _when(curve, label[2])  # all curves of a gap go right at the same pace
            if any(other != curve and _passes(other, span, label) for other in gaps[gap]):
                continue
            taken[gap].append(label)
            corner = f'x="{label[0]:.1f}" y="{label[1]:.1f}"'
            lines.append(f'<rect {corner} width="{width:.1f}" height="{height:.1f}" fill="#ffffff"/>')
            lines.append(_words(edge.slope, (x, y + 3.7), _SMALL, _MUTED, anchor="middle"))
            break
    return lines


def _at(curve: Curve, t: float) -> Point:
    """The point at `t` of the cubic that _arrows draws."""
    (x0, y0), (x1, y1) = curve
    middle = (x0 + x1) / 2
    x1 -= _HEAD
    s = 1 - t
    return (
        s**3 * x0 + 3 * s * s * t * middle + 3 * s * t * t * middle + t**3 * x1,
        (s**3 + 3 * s * s * t) * y0 + (3 * s * t * t + t**3) * y1,
    )


def _when(curve: Curve, x: float) -> float:
    """The t at which a curve passes `x`, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if _at(curve, middle)[0] < x else (low, middle)
    return low


def _passes(curve: Curve, span: Point, box: Box) -> bool:
    """Whether a curve, which only rises or only falls, meets the box that it passes during `span`."""
    start, end = _at(curve, span[0])[1], _at(curve, span[1])[1]
    return min(start, end) < box[3] and max(start, end) > box[1]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _words(text: str, at: Point, size: float, colour: str, *, bold: bool = False, anchor: str = "start") -> str:
    weight = ' font-weight="bold"' if bold else ""
    place = f' text-anchor="{anchor}"' if anchor != "start" else ""
    look = f'font-size="{size:g}" fill="{colour}"{weight}{place}'
    return f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" {look}>{_text(text)}</text>'


def _hidden(node: Node) -> str:
    return f"{node.hidden} not shown" if node.hidden else ""


def _description(picture: Picture) -> str:
    boxes = "; ".join(f"{node.title} {node.words} {node.data} grad {node.grad}" for node in picture.nodes)
    return f"{boxes}. {picture.caption}".strip()


def _columns(text: str) -> int:
    """Width in characters of a fixed-width font: East Asian wide ones count two, combining marks none."""
    return sum(0 if combining(ch) else 2 if east_asian_width(ch) in "WF" else 1 for ch in text)


def _text(text: str) -> str:
    return escape(text, quote=True)
