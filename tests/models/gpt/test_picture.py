"""The picture of a transformer: every part a box, and a road beside each branch."""

import xml.etree.ElementTree as ET

import pytest

from nanochat.engine.parts import parts_of
from nanochat.engine.scalar.pictures.svg import render
from nanochat.engine.scalar.pictures.text import dot, mermaid
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.gpt.picture import picture_of


@pytest.mark.parametrize("n_layer", [1, 3])
@pytest.mark.parametrize("gain", [False, True])
def test_a_block_adds_two_branches_to_the_road(n_layer, gain):
    model = build_model(GPTConfig(n_layer=n_layer, norm_gain=gain), "tensor", "float32")
    shown = picture_of(model)
    titles = [node.title for node in shown.nodes]
    joins = [i for i, title in enumerate(titles) if title.endswith("+")]
    assert len(joins) == 2 * n_layer
    assert len(titles) == len(parts_of(model)) + len(joins) + 1
    for i in joins:
        assert len([edge for edge in shown.edges if edge.target == i]) >= 2, "the branch and the residual stream"
    assert all(edge.source < edge.target for edge in shown.edges)


def test_it_is_drawn_in_every_format_and_twice_the_same():
    bigram = picture_of(build_model(BigramConfig(vocab_size=3), "scalar", "float64"))
    gpt = picture_of(build_model(GPTConfig(), "scalar", "float64"))
    for shown in (bigram, gpt):
        ET.fromstring(render(shown))
        assert render(shown) == render(shown)
        assert "wte" in mermaid(shown)
        assert "wte" in dot(shown)
    assert "backward() not called yet" in render(gpt)
    assert "size 27x16 = 432" in mermaid(gpt)
