"""The plain spelling of attention is the shipped op, before a fault goes in."""

import numpy as np
import pytest

from nanochat.course.zoo.attention import self_attention
from nanochat.engine.tensor import ops

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
