"""The plain spelling of attention is the shipped op, before a fault goes in; a trace shows the fault that went in."""

import numpy as np
import pytest

from nanochat.course.zoo.attention import self_attention
from nanochat.course.zoo.catalogue import specimens
from nanochat.course.zoo.instruments import habitat, subject_of
from nanochat.course.zoo.specimen import injected
from nanochat.engine.tensor import ops
from nanochat.inference.trace import trace

POSITIONS = np.arange(5)
SEGMENTS = np.array([[0, 0, 1, 1, 1], [0, 0, 0, 0, 0]])
OPTIONS = [
    {},
    {"n_kv_head": 2},
    {"positions": POSITIONS},
    {"qk_norm_eps": 1e-5, "positions": POSITIONS},
    {"window": 2, "scale": 1.44},
    {"segments": SEGMENTS, "n_kv_head": 1},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options) or "plain")
def test_plain_attention_and_its_gradient_are_those_of_the_op(options):
    rng = np.random.default_rng(0)
    heads = 4 + 2 * options.get("n_kv_head", 4)
    qkv, g = rng.normal(size=(2, 5, heads * 4)), rng.normal(size=(2, 5, 16))
    y, back = self_attention(qkv, n_head=4, **options)
    expected, expected_back = ops.self_attention(qkv, n_head=4, **options)
    np.testing.assert_allclose(y, expected, atol=1e-12)  # the order of sums differs
    np.testing.assert_allclose(back(g)[0], expected_back(g)[0], atol=1e-12)


@pytest.mark.parametrize(
    ("name", "sees_the_future", "sums_to_1"),
    [("", False, True), ("B4", True, True), ("B5", True, True), ("B6", False, False), ("B8", False, False)],
)
def test_a_trace_shows_the_attention_of_the_model_and_so_its_fault(name, sees_the_future, sums_to_1):
    subject = subject_of(habitat())
    with injected(specimens()[name or "A13"]):
        found = trace(subject.model, subject.gpt, subject.ids(least=8))
        np.testing.assert_array_equal(found.logits, subject.model.predict(np.array([found.ids]))[0])
    assert np.triu(found.attention, 1).any() == sees_the_future
    assert np.allclose(found.attention.sum(-1), 1, atol=1e-5) == sums_to_1
