"""The parts of a model: the same in both spellings, each number counted once, gradients as they are."""

import math

import numpy as np
import pytest

from nanochat.engine.module import Module
from nanochat.engine.parts import parts_of
from nanochat.engine.scalar import nn as scalar_nn
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights

CONFIG = GPTConfig(vocab_size=5, block_size=4, n_embd=4, n_head=2, n_layer=2, norm_gain=True, tie_lm_head=True)


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
def test_the_parts_hold_every_number_once(mode):
    model = build_model(CONFIG, mode, "float64")
    parts = parts_of(model)
    assert sum(part.n_numbers for part in parts) == model.n_parameters()
    assert [part.name for part in parts][:3] == ["wte", "wpe", "h.0.norm_1"]
    assert {part.kind for part in parts} == {"Embedding", "RMSNorm", "Linear"}
    assert "h.1.mlp.proj" in repr(model)


def test_both_spellings_have_the_same_gradient_norms():
    models = [build_model(CONFIG, mode, "float64") for mode in ("scalar", "tensor")]
    for model in models:
        model.load_state_dict(draw_weights(CONFIG.parameters(), np.random.default_rng(1)))
        assert "backward() not called yet" in model._repr_mimebundle_()["text/html"]
        model.loss(np.array([[1, 2, 3]]), np.array([[2, 3, 4]])).backward()
        assert "backward() not called yet" not in model._repr_mimebundle_()["text/html"]
    scalar, tensor = (parts_of(model) for model in models)
    assert [part.name for part in scalar] == [part.name for part in tensor]
    for ours, theirs in zip(scalar, tensor, strict=True):
        assert math.isclose(ours.grad_norm, theirs.grad_norm, rel_tol=1e-9, abs_tol=1e-12)


class Model(Module):
    """With a parameter of its own, and many layers"""

    def __init__(self):
        self.bias = scalar_nn.vector(1)
        self.h = [scalar_nn.Linear(1, 1) for _ in range(100)]


def test_a_model_of_many_parts_shows_its_first_and_last():
    text = repr(Model())
    assert text.startswith("Model: 101 numbers are learned\n")
    assert "41 more" in text
    assert "h.99" in text
