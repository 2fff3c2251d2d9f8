"""Layers: names, shapes and types as the scalar engine has them."""

from __future__ import annotations

import numpy as np
import pytest

from nanochat.engine.module import shape_of
from nanochat.engine.scalar import nn as scalar_nn
from nanochat.engine.tensor import Tensor, nn

LAYERS = [
    ("Linear", (3, 5), {"bias": True}),
    ("Linear", (3, 5), {"bias": False}),
    ("Embedding", (3, 5), {}),
    ("RMSNorm", (4,), {"gain": True, "eps": 1e-5}),
    ("RMSNorm", (4,), {"gain": False, "eps": 1e-5}),
    ("LayerNorm", (4,), {"gain": True, "bias": True, "eps": 1e-5}),
    ("LayerNorm", (4,), {"gain": True, "bias": False, "eps": 1e-5}),
    ("DyT", (4,), {"gain": True, "bias": True}),
    ("Identity", (), {}),
]


@pytest.mark.parametrize(("name", "sizes", "options"), LAYERS)
def test_both_engines_have_the_same_parameters(name, sizes, options):
    ours = getattr(nn, name)(*sizes, **options).state_dict()
    theirs = getattr(scalar_nn, name)(*sizes, **options).state_dict()

    assert list(ours) == list(theirs)
    for key in ours:
        assert ours[key].shape == shape_of(theirs[key])
        np.testing.assert_array_equal(ours[key], theirs[key])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "sizes", "options"), [layer for layer in LAYERS if layer[0] not in ("Embedding", "Identity")]
)
def test_layers_keep_their_type(name, sizes, options, dtype):
    layer = getattr(nn, name)(*sizes, **options, dtype=dtype)
    x = Tensor(np.ones((2, sizes[0]), dtype))

    y = layer(x)

    assert y.dtype == dtype
    assert {p.dtype for p in layer.parameters()} <= {np.dtype(dtype)}


def test_an_embedding_returns_rows():
    layer = nn.Embedding(3, 2, dtype=np.float64)
    layer.load_state_dict({"weight": [[1, 2], [3, 4], [5, 6]]})

    np.testing.assert_array_equal(layer(np.array([[2, 0]])).data, [[[5, 6], [1, 2]]])


def test_dropout_is_active_in_training_only():
    x = Tensor(np.ones((100, 100)))
    layer = nn.Dropout(0.5, np.random.default_rng(0))

    dropped = layer(x)
    layer.training = False

    assert (dropped.data == 0).any()
    assert layer(x) is x
    assert nn.Dropout(0.0, np.random.default_rng(0))(x) is x
