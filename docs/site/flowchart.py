"""The flow charts of the documents, read from their Mermaid fences and drawn with the layout of our own graphs.

Read is what the documents use: boxes, diamonds, boxes within boxes, arrows with words. Anything else is an error.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ink import LABEL_WIDTH, SIZE, WIDTH, document, words

from nanochat.engine.scalar.pictures.layout import Box as Place
from nanochat.engine.scalar.pictures.layout import Curve, Layout, Point, layout

_NODE = r'(\w+)(?:\["([^"]*)"\]|\[([^\]]*)\]|\{([^}]*)\})?'
_ARROW = r"\s*(-->|---|-\.->)\s*(?:\|([^|]*)\|)?\s*"
_TITLE = 18.0
"""Height of the title of a box that holds boxes."""
_PADDING = 14.0
_GAP = 34.0


@dataclass
class Box:
    """A box; it may hold others, and arrows between them."""

    name: str
    lines: list[str]
    is_choice: bool = False
    is_upright: bool = False
    """Arrows inside run downward, not to the right."""
    boxes: dict[str, "Box"] = field(default_factory=dict)
    arrows: list[tuple[str, str, str, str]] = field(default_factory=list)
    """from, to, kind, words"""

    def path(self, name: str) -> list[str]:
        """The boxes from the outermost in this one to the one of that name; [] where it is not in here."""
        for box in self.boxes.values():
            if box.name == name:
                return [name]
            if inside := box.path(name):
                return [box.name, *inside]
        return []

    def find(self, name: str) -> "Box":
        """The box of that name in here."""
        box = self
        for step in self.path(name):
            box = box.boxes[step]
        return box


def draw(source: str) -> str:
    """The SVG of a chart; raises ValueError on a line that means nothing here."""
    chart = read(source)
    width, height, parts = _inside(chart)
    said = "; ".join(" ".join(box.lines) for box in _leaves(chart))
    return document(width, height, f"Flow chart: {said}", parts)


def read(source: str) -> Box:
    """The chart as boxes."""
    head, *rest = [line.strip() for line in source.strip().splitlines() if line.strip()]
    if head not in ("flowchart LR", "flowchart BT"):
        raise ValueError(f"a flow chart begins with 'flowchart LR' or 'flowchart BT', not with {head!r}")
    chart = Box("", [], is_upright=head.endswith("BT"))
    stack = [chart]
    for line in rest:
        if match := re.fullmatch(r"subgraph (\w+)(?: \[(.*)\])?", line):
            group = Box(match[1], [match[2] or match[1]])
            stack[-1].boxes[group.name] = group
            stack.append(group)
        elif line == "end":
            stack.pop()
        else:
            _read_chain(line, stack[-1], chart)
    return chart


def _read_chain(line: str, here: Box, chart: Box) -> None:
    """a[text] --> b --> c: every new name is a box in `here`, every arrow one of the box that holds both its ends."""
    at, before, arrow = 0, "", None
    while True:
        node = re.compile(_NODE).match(line, at)
        if not node:
            raise ValueError(f"{line!r} is no line of a flow chart that we draw: see docs/site/flowchart.py")
        name, text = node[1], node[2] or node[3] or node[4]
        if not chart.path(name):
            here.boxes[name] = Box(name, [name])
        if text:  # which a later line may give
            box = chart.find(name)
            box.lines, box.is_choice = text.split("<br/>"), bool(node[4])
        if arrow:
            _connect(chart, before, name, arrow[1], arrow[2] or "")
        arrow = re.compile(_ARROW).match(line, node.end())
        if not arrow:
            if node.end() != len(line):
                raise ValueError(
                    f"{line[node.end() :]!r} at the end of {line!r} is not drawn: see docs/site/flowchart.py"
                )
            return
        before, at = name, arrow.end()


def _connect(chart: Box, source: str, target: str, kind: str, text: str) -> None:
    here, start, end = chart, chart.path(source), chart.path(target)
    while start[0] == end[0]:
        here = here.boxes[start[0]]
        start, end = start[1:], end[1:]
    if not any(arrow[:2] == (start[0], end[0]) for arrow in here.arrows):
        here.arrows.append((start[0], end[0], kind, text))


def _leaves(box: Box) -> Iterator[Box]:
    for inner in box.boxes.values():
        if inner.boxes:
            yield from _leaves(inner)
        else:
            yield inner


def _inside(group: Box) -> tuple[float, float, list[str]]:
    """Width, height and drawing of what a box holds."""
    names, edges = _forward(list(group.boxes), [arrow[:2] for arrow in group.arrows])
    drawn = [_drawn(group.boxes[name]) for name in names]
    sink = len(names)  # drawn nowhere: the layout wants a graph that ends in one box
    to_sink = [(i, sink) for i in range(sink) if not any(a == i for a, _, _ in edges)]
    longest = max((len(arrow[3]) for arrow in group.arrows), default=0)
    placed = _layout(
        [*((width, height) for width, height, _ in drawn), (0.0, 0.0)],
        [*((a, b) for a, b, _ in edges), *to_sink],
        gap=longest * LABEL_WIDTH + 30.0 if longest else _GAP,
        is_upright=group.is_upright,
    )
    boxes = [_middle_of(place, (width, height)) for place, (width, height, _) in zip(placed.boxes, drawn, strict=False)]
    parts: list[str] = []
    for (low, high, is_back), arrow, route in zip(edges, group.arrows, placed.routes, strict=False):
        ends = _ends(boxes[low], boxes[high], route, is_upright=group.is_upright)
        parts += _arrow(arrow, ends, route, is_upright=group.is_upright, is_back=is_back)
    for (x, y, _, _), (_, _, shapes) in zip(boxes, drawn, strict=True):
        parts += [f'<g transform="translate({x:.1f} {y:.1f})">', *shapes, "</g>"]
    width, height = (max(box[side] for box in placed.boxes[:sink]) for side in (2, 3))
    return width, height, parts


def _middle_of(place: Place, size: Point) -> Place:
    """Where a box of that size lies that stands in the middle of its place, which is as wide as the column."""
    x, y = (place[0] + place[2] - size[0]) / 2, (place[1] + place[3] - size[1]) / 2
    return x, y, x + size[0], y + size[1]


def _ends(source: Place, target: Place, route: list[Curve], *, is_upright: bool) -> tuple[Point, Point]:
    """Where an arrow leaves its box and where it arrives: the route goes to the edge of the column."""
    (x0, y0), (x1, y1) = route[0][0], route[-1][1]
    return ((x0, source[3]), (x1, target[1])) if is_upright else ((source[2], y0), (target[0], y1))


def _layout(sizes: list[Point], edges: list[tuple[int, int]], *, gap: float, is_upright: bool) -> Layout:
    """Left to right, or the same lying on its side: top to bottom."""
    if not is_upright:
        return layout(sizes, edges, column_gap=gap)
    lying = layout([(height, width) for width, height in sizes], edges, column_gap=gap)
    boxes = [(top, left, bottom, right) for left, top, right, bottom in lying.boxes]
    routes = [[((y0, x0), (y1, x1)) for (x0, y0), (x1, y1) in route] for route in lying.routes]
    return Layout(boxes, routes, width=lying.height, height=lying.width)


def _forward(names: list[str], arrows: list[tuple[str, str]]) -> tuple[list[str], list[tuple[int, int, bool]]]:
    """The names so that arrows lead on, and each arrow as (lower, higher, whether it leads back, as in a circle)."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        seen.add(name)
        for source, target in arrows:
            if source == name and target not in seen:
                visit(target)
        order.insert(0, name)

    for name in reversed(names):
        if name not in seen and not any(target == name for _, target in arrows):
            visit(name)
    for name in names:
        if name not in seen:
            visit(name)
    ids = {name: i for i, name in enumerate(order)}
    pairs = [(ids[a], ids[b]) for a, b in arrows]
    return order, [(min(a, b), max(a, b), a > b) for a, b in pairs]


def _drawn(box: Box) -> tuple[float, float, list[str]]:
    if box.boxes:
        width, height, parts = _inside(box)
        width, height = max(width, len(box.lines[0]) * WIDTH) + 2 * _PADDING, height + 2 * _PADDING + _TITLE
        frame = f'<rect class="room" width="{width:.1f}" height="{height:.1f}" rx="8"/>'
        title = words(box.lines[0], _PADDING, _PADDING + 8, "title")
        moved = f'<g transform="translate({_PADDING} {_PADDING + _TITLE})">'
        return width, height, [frame, title, moved, *parts, "</g>"]
    width = max(map(len, box.lines)) * WIDTH + 20
    height = len(box.lines) * (SIZE + 4) + 14
    parts = [f'<rect class="{"choice" if box.is_choice else "box"}" width="{width:.1f}" height="{height:.1f}" rx="5"/>']
    parts += [
        words(line, width / 2, 18 + i * (SIZE + 4), "first" if i == 0 else "more", anchor="middle")
        for i, line in enumerate(box.lines)
    ]
    return width, height, parts


def _arrow(
    arrow: tuple[str, str, str, str], ends: tuple[Point, Point], route: list[Curve], *, is_upright: bool, is_back: bool
) -> Iterator[str]:
    _, _, kind, text = arrow
    path = f"M{_at(ends[0])}" + "".join(_curve(curve, is_upright) for curve in route) + f"L{_at(ends[1])}"
    dashed = ' stroke-dasharray="4 3"' if kind == "-.->" else ""
    yield f'<path class="wire" d="{path}"{dashed}/>'
    if kind != "---":
        tip, back = (ends[0], 8) if is_back else (ends[1], -8)
        yield f'<path class="head" d="M{_at(tip)}' + (
            f'l-3.6 {back}h7.2z"/>' if is_upright else f'l{back} -3.6v7.2z"/>'
        )
    if text:
        (x0, y0), (x1, y1) = route[0]
        yield words(text, (x0 + x1) / 2, (y0 + y1) / 2 - 4, "label", anchor="middle")


def _curve(curve: Curve, is_upright: bool) -> str:
    """Leaves and arrives in the direction of the chart."""
    (x0, y0), (x1, y1) = curve
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    first, second = ((x0, y), (x1, y)) if is_upright else ((x, y0), (x, y1))
    return f"L{_at(curve[0])}C{_at(first)} {_at(second)} {_at(curve[1])}"


def _at(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"
