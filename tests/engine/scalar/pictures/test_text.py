"""Pictures of a graph: what they show, that nothing overlaps, and that the same graph gives the same bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations, pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat.engine import Value
from nanochat.engine.scalar.pictures.expression import evaluate
from nanochat.engine.scalar.pictures.layout import Box, layout
from nanochat.engine.scalar.pictures.picture import number, picture
from nanochat.engine.scalar.pictures.text import dot, mermaid, to_svg

SVG = "{http://www.w3.org/2000/svg}"
ADVANCE = 0.605  # Menlo and DejaVu Sans Mono, the widest of the fonts that svg.py asks for: 0.602 of the size
Draw = Callable[..., str]


def to_mermaid(root, **options):
    return mermaid(picture(root, **options))


def to_dot(root, **options):
    return dot(picture(root, **options))


FORMATS: list[Draw] = [to_mermaid, to_dot, to_svg]


def first_example() -> tuple[Value, dict[Value, str]]:
    y, leaves = evaluate("a*b + relu(c)", a=2, b=-3, c=10)
    y.backward()
    return y, {leaf: name for name, leaf in leaves.items()}


def cross_entropy(n_classes: int) -> tuple[Value, dict[Value, str]]:
    """-log softmax(W x)[0], one node for every + and *: about 10 nodes a class."""
    x = [Value(0.5), Value(-1.2)]
    rows = [[Value(0.1 * (i - 3)), Value(0.2 * (2 - i))] for i in range(n_classes)]
    exps = [(row[0] * x[0] + row[1] * x[1]).exp() for row in rows]
    total = exps[0]
    for e in exps[1:]:
        total = total + e
    loss = -(exps[0] / total).log()
    loss.backward()
    return loss, {x[0]: "x0", x[1]: "x1", loss: "loss"}


def published_example() -> tuple[Value, dict[Value, str]]:
    a, b = Value(-4.0), Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    f = (c - d) ** 2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    return g, {a: "a", b: "b", c: "c", d: "d", g: "g"}


def row_of_a_layer() -> tuple[Value, dict[Value, str]]:
    xs = tuple(Value(0.25 * i) for i in range(20))
    y = Value(1.0, xs, tuple(-0.125 * i for i in range(20)), "dot").tanh()
    y.backward()
    return y, {x: f"a weight with a long name {i}" for i, x in enumerate(xs)}


GRAPHS: dict[str, Callable[[], tuple[Value, dict[Value, str]]]] = {
    "first": first_example,
    "published": published_example,
    "cross-entropy of 4": lambda: cross_entropy(4),
    "cross-entropy of 12, capped": lambda: cross_entropy(12),
    "20 arrows into a box": row_of_a_layer,
    "a number alone": lambda: (Value(3.0), {}),
}


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def extent(text: ET.Element) -> Box:
    """The box of a text, as a fixed-width font of the usual proportions sets it."""
    size, x, y = (float(text.attrib[key]) for key in ("font-size", "x", "y"))
    width = len(text.text or "") * ADVANCE * size
    left = x - {"start": 0.0, "middle": width / 2, "end": width}[text.get("text-anchor", "start")]
    return left, y - 0.75 * size, left + width, y + 0.2 * size


def rectangle(rect: ET.Element) -> Box:
    x, y, width, height = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_boxes_of_an_svg_are_disjoint_and_hold_their_texts(graph: str) -> None:
    root, labels = GRAPHS[graph]()
    drawing = ET.fromstring(to_svg(root, labels=labels)).find(f"{SVG}g")
    assert drawing is not None
    boxes = []
    for group in drawing.findall(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        assert rect is not None
        box = rectangle(rect)
        texts = [extent(text) for text in group.findall(f"{SVG}text")]
        for left, top, right, bottom in texts:
            assert box[0] < left
            assert right < box[2]
            assert box[1] < top
            assert bottom < box[3]
        assert not any(overlap(a, b) for a, b in combinations(texts, 2))
        boxes.append(box)
    slopes = [rectangle(rect) for rect in drawing.findall(f"{SVG}rect")]
    assert len(boxes) == len(picture(root).nodes)
    assert not any(overlap(a, b) for a, b in combinations(boxes + slopes, 2))
    for text, ground in zip(drawing.findall(f"{SVG}text"), slopes, strict=True):
        left, top, right, bottom = extent(text)
        assert ground[0] < left
        assert right < ground[2]
        assert ground[1] < top
        assert bottom < ground[3]


@pytest.mark.parametrize("graph", GRAPHS)
def test_everything_in_an_svg_lies_on_its_white_ground(graph: str) -> None:
    root, labels = GRAPHS[graph]()
    svg = ET.fromstring(to_svg(root, labels=labels))
    width, height = float(svg.attrib["width"]), float(svg.attrib["height"])
    ground, drawing = svg.find(f"{SVG}rect"), svg.find(f"{SVG}g")
    assert ground is not None
    assert drawing is not None
    assert (ground.get("fill"), ground.get("width"), ground.get("height")) == ("#ffffff", f"{width:g}", f"{height:g}")
    dx, dy = (float(x) for x in re.findall(r"[\d.]+", drawing.attrib["transform"]))
    inside = [rectangle(rect) for group in drawing.findall(f"{SVG}g") for rect in group.findall(f"{SVG}rect")]
    inside = [(a + dx, b + dy, c + dx, d + dy) for a, b, c, d in inside]
    for left, top, right, bottom in inside + [extent(text) for text in svg.findall(f"{SVG}text")]:
        assert left >= 0
        assert top >= 0
        assert right <= width
        assert bottom <= height


@pytest.mark.parametrize("colours", [("#475569", "#dbeafe"), ("#475569", "#dcfce7"), ("#475569", "#f8fafc")])
def test_the_palest_text_has_the_contrast_that_wcag_asks_of_small_text(colours: tuple[str, str]) -> None:
    svg = to_svg(first_example()[0])
    assert all(colour in svg for colour in colours)
    ink, ground = sorted(_luminance(colour) for colour in colours)
    assert (ground + 0.05) / (ink + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@given(data=st.data(), n=st.integers(1, 14))
@settings(max_examples=30, deadline=None)
def test_no_boxes_overlap_and_no_arrow_crosses_a_box_in_any_graph(data: st.DataObject, n: int) -> None:
    edges = []
    for source in range(n - 1):
        targets = data.draw(st.lists(st.integers(source + 1, n - 1), min_size=1, max_size=3))
        edges += [(source, target) for target in targets]
    sizes = [(60.0 + 7 * (i % 4), 40.0 + 9 * (i % 3)) for i in range(n)]
    placed = layout(sizes, edges)
    assert not any(overlap(a, b) for a, b in combinations(placed.boxes, 2))
    for box, (width, height) in zip(placed.boxes, sizes, strict=True):
        assert box[2] - box[0] >= width - 1e-9
        assert box[3] - box[1] == pytest.approx(height)
        assert box[0] >= 0
        assert box[1] >= -1e-9
        assert box[2] <= placed.width + 1e-9
        assert box[3] <= placed.height + 1e-9
    for (source, target), route in zip(edges, placed.routes, strict=True):
        assert route[0][0] == pytest.approx((placed.boxes[source][2], sum(placed.boxes[source][1::2]) / 2))
        assert route[-1][1][0] == placed.boxes[target][0]
        assert placed.boxes[target][1] < route[-1][1][1] < placed.boxes[target][3]
        for (x0, _), (x1, _) in route:  # a curve lies within its ends: it stays between two columns
            assert not any(overlap((x0, box[1], x1, box[3]), box) for box in placed.boxes)
        for (_, (x1, y1)), ((x2, y2), _) in pairwise(route):  # straight across a column
            assert y1 == y2
            assert not any(overlap((x1, y1 - 1, x2, y2 + 1), box) for box in placed.boxes)


@pytest.mark.parametrize("draw", FORMATS)
def test_every_node_shows_its_name_or_operation_its_value_and_its_gradient(draw: Draw) -> None:
    y, labels = first_example()
    text = draw(y, labels=labels)
    for shown in ("a", "b", "c", "*", "relu", "+"):
        assert re.search(rf'[">]{re.escape(shown)}[<\\]', text), shown
    if draw is to_svg:
        text = re.sub(r"</text><text[^>]*>", " ", text)
    for numbers in (("2", "-3"), ("-3", "2"), ("10", "1"), ("-6", "1"), ("4", "1")):
        assert re.search(r"data {}\W+(?:br/>|n)?grad {}\b".format(*numbers), text), numbers


@pytest.mark.parametrize("draw", FORMATS)
def test_a_picture_beyond_its_cap_says_how_many_nodes_it_leaves_out(draw: Draw) -> None:
    y = Value(0.0)
    for _ in range(300):
        y = y + 1
    assert "the 7 nodes nearest the result" in draw(y, max_nodes=7)
    assert "294 more left out" in draw(y, max_nodes=7)
    assert "left out" not in draw(y, max_nodes=301)


@pytest.mark.parametrize("draw", FORMATS)
def test_the_same_graph_gives_the_same_bytes_wherever_it_lies_in_memory(draw: Draw) -> None:
    seen = set()
    litter: list[object] = []
    for i in range(5):
        root, labels = cross_entropy(12)
        seen.add(draw(root, labels=labels, max_nodes=40))
        litter += [Value(0.0), [0] * 37 * i, root]
    assert len(seen) == 1


@pytest.mark.parametrize("draw", FORMATS)
def test_a_picture_needs_at_least_one_node(draw: Draw) -> None:
    assert "more left out" in draw(first_example()[0], max_nodes=1)
    with pytest.raises(ValueError, match="max_nodes=0 shows nothing"):
        draw(first_example()[0], max_nodes=0)


EVIL = '<script>alert("&")</script>'


def test_an_svg_escapes_names() -> None:
    a = Value(1.0)
    for name in (EVIL, "a\x00\x1b\ud800b", "漢字" * 20, "]]>"):
        svg = to_svg(a * 2, labels={a: name})
        assert "<script" not in svg
        ET.fromstring(svg.encode("utf-8"))


def test_mermaid_keeps_no_character_that_could_end_a_label() -> None:
    a = Value(1.0)
    text = to_mermaid(a * 2, labels={a: EVIL + '"]\nend;'})
    assert "#60;script#62;" in text
    label = re.findall(r'n0\(\["(.*)"\]\)', text)
    assert len(label) == 1
    assert not set('"[]{}()<>;') & set(re.sub(r"<br/>|#\d+;", "", label[0]))


def test_a_name_that_looks_like_a_markdown_list_is_kept_out_of_one_in_mermaid() -> None:
    a = Value(1.0)
    assert '"-#160;x<br/>' in to_mermaid(a, labels={a: "- x"})


def test_dot_escapes_names() -> None:
    a = Value(1.0)
    assert r"say \"hi\" \\ now\ndata 1" in to_dot(a * 2, labels={a: 'say "hi" \\ now'})


def test_the_nodes_nearest_the_result_are_kept() -> None:
    a, b = Value(2.0), Value(3.0)
    deep = (a * b).exp().tanh()
    y = deep + b
    shown = picture(y, labels={a: "a", b: "b"}, max_nodes=3)
    assert [node.title for node in shown.nodes] == ["b", "tanh", "+"]
    assert [node.hidden for node in shown.nodes] == [0, 1, 0]
    assert shown.left_out == 3
    assert shown.caption == (
        "the 3 nodes nearest the result; 3 more left out; backward() not called yet: every grad is 0"
    )


@pytest.mark.parametrize(
    ("make", "title"),
    [
        (lambda a: a + 1, "+1"),
        (lambda a: a - 1, "-1"),
        (lambda a: 7 - a, "7-"),
        (lambda a: a * 3, "*3"),
        (lambda a: a / 3, "/3"),
        (lambda a: 3 / a, "3/"),
        (lambda a: -3 / a, "-3/"),
        (lambda a: a + -1, "-1"),
        (lambda a: a**3, "**3"),
        (lambda a: 2**a, "2**"),
        (lambda a: a / 0, "/0"),
    ],
)
def test_an_operation_with_a_number_shows_the_number(make: Callable[[Value], Value], title: str) -> None:
    assert picture(make(Value(2.5))).nodes[-1].title == title


def test_numbers_are_shown_with_four_digits_and_zero_without_a_sign() -> None:
    assert [number(x) for x in (24.70408, -0.0, 1e-9, 123456.0, float("nan"), float("-inf"))] == [
        "24.7",
        "0",
        "1e-09",
        "1.235e+05",
        "nan",
        "-inf",
    ]


def test_two_arrows_from_one_node_to_another_are_both_drawn() -> None:
    a = Value(3.0)
    assert to_mermaid(a + a).count("n0 -->") == 2
    assert to_dot(a + a).count("n0 -> n1") == 2
