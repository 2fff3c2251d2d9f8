"""The figures show what the trace says, and are the same bytes each time."""

import numpy as np
import pytest

from nanochat.experiments.health.figures import attention, draw, gradient_norms
from nanochat.experiments.health.subject import NotApplicableError, of_config
from nanochat.inference.trace import trace
from nanochat.training.resolve import resolve

pytestmark = pytest.mark.figures


@pytest.fixture(scope="module")
def subject():
    return of_config(resolve({"preset": "microgpt", "mode": "tensor", "model": {"n_layer": 2}}))


def test_three_figures_are_drawn_twice_the_same(subject, tmp_path):
    first, second = (draw(subject, tmp_path / name, new=True) for name in "ab")
    assert [path.name for path in first] == ["attention.png", "embeddings.png", "depth.png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_attention_has_a_square_a_head(subject):
    traced = trace(subject.model, subject.gpt, subject.ids())
    axes = attention(traced, ["x"] * len(traced.ids)).axes
    squares = [one for one in axes if one.images]
    assert len(squares) == 2 * subject.gpt.n_head
    np.testing.assert_array_equal(squares[0].images[0].get_array(), traced.attention[0, 0])


def test_gradients_are_of_every_part_and_leave_the_model_as_it_was(subject):
    before = subject.model.state_dict()
    assert list(gradient_norms(subject)) == ["wte", "wpe", "block 1", "block 2", "lm_head"]
    assert all((before[name] == weight).all() for name, weight in subject.model.state_dict().items())


def test_a_bigram_has_nothing_to_draw(tmp_path):
    with pytest.raises(NotApplicableError):
        draw(of_config(resolve({"preset": "bigram"})), tmp_path, new=True)
