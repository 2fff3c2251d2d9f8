"""A Value in a notebook: its graph, whether anybody has asked for slopes, and no picture of thousands of nodes."""

import xml.etree.ElementTree as ET

from nanochat.engine.scalar import Value
from nanochat.engine.scalar.pictures.notebook import MOST_NODES, show


def test_a_value_shows_its_graph_and_says_that_backward_was_not_called():
    a, b = Value(2.0), Value(3.0)
    y = a * b + a
    svg = y._repr_mimebundle_()["image/svg+xml"]
    ET.fromstring(svg)
    assert "backward() not called yet" in svg
    y.backward()
    assert "backward() not called yet" not in y._repr_mimebundle_()["image/svg+xml"]


def test_gradients_of_an_earlier_backward_are_said_to_be_earlier():
    a = Value(2.0)
    (a * 3.0).backward()
    later = a.exp()
    assert "not called on this result yet" in later._repr_mimebundle_()["image/svg+xml"]
    later.backward()
    assert "not called" not in later._repr_mimebundle_()["image/svg+xml"]


def test_a_large_graph_says_how_large_it_is():
    y = sum((Value(float(i)) for i in range(MOST_NODES)), Value(0.0))
    bundle = y._repr_mimebundle_()
    assert bundle.keys() == {"text/plain"}
    assert f"{2 * MOST_NODES} others" in bundle["text/plain"]


def test_the_same_graph_gives_the_same_bytes_and_names_are_inert():
    a = Value(1.0)
    named = show(a.exp(), **{"<script>\x1b": a})
    assert str(named) == named._repr_svg_() == str(show(a.exp(), **{"<script>\x1b": a}))
    assert "<script>" not in str(named)
    assert "\x1b" not in str(named)
