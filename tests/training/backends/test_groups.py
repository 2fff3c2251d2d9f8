"""Which parameter is in which group, counted with nanochat's own numbers."""

import numpy as np
import pytest

from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.gpt.upstream.config import UpstreamConfig
from nanochat.models.gpt.upstream.recipe import upstream_model
from nanochat.training.backends.groups import RECIPES, options_of
from nanochat.training.backends.numpy import NumpyBackend
from nanochat.training.config import TrainingConfig

SMALL = {"vocab_size": 9, "block_size": 8, "n_embd": 32, "n_head": 4}


@pytest.mark.parametrize("name", RECIPES)
def test_every_parameter_of_every_architecture_is_moved_once(name):
    configs = [
        upstream_model(3, **SMALL),
        UpstreamConfig(norm="dyt", norm_gain=True, norm_bias=True, attn_bias=True, mlp_bias=True, final_norm=True),
        GPTConfig(norm="layer", norm_gain=True, tie_lm_head=False, head_bias=True),
    ]
    for config in configs:
        model = build_model(config, "tensor")
        optimizer = NumpyBackend().optimizer(model, TrainingConfig(optimizer=name, momentum=0.9))
        moved = [name for name, _ in optimizer.adamw] + [name for name, _ in optimizer.muon]
        assert set(moved) == set(config.parameters())
        assert sorted({*moved}) == sorted(moved) or moved.count("h.0.attn.qkv.weight") == 3


def test_muon_has_the_hidden_matrices_with_q_k_and_v_apart():
    config = upstream_model(2, n_kv_head=1, **SMALL)
    model = build_model(config, "tensor")
    optimizer = NumpyBackend().optimizer(model, TrainingConfig(optimizer="nanochat", momentum=0.9))
    rows = [(place.start, place.stop) for name, place in optimizer.muon if name == "h.1.attn.qkv.weight"]
    assert rows == [(0, 32), (32, 40), (40, 48)]
    others = {name for name, _ in optimizer.muon if "qkv" not in name}
    assert others == {
        "h.0.attn.proj.weight", "h.0.mlp.fc.weight", "h.0.mlp.proj.weight",
        "h.1.attn.proj.weight", "h.1.mlp.fc.weight", "h.1.mlp.proj.weight", "h.1.value_gate.weight",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nanochat", {"lm_head.weight": 0.008, "w[tp]e.weight": 0.3, "h.*.value_embed.weight": 0.15, "smear.*": 0.2}),
        ("nanochat-2026-02", {"lm_head.weight": 0.004, "w[tp]e.weight": 0.3, "h.*.value_embed.weight": 0.3}),
        *((name, {"h.*.mix_x": 0.005, "h.*.mix_x0": 0.5}) for name in RECIPES),
    ],
)
def test_the_rates_are_those_of_the_script_at_its_own_width(name, expected):
    """At 768 channels and Muon at 0.02: the defaults of its command line."""
    options = options_of(TrainingConfig(optimizer=name, momentum=0.9, lr=0.02), upstream_model(12))
    found = {group.pattern: group.rate * (1 if group.fixed else 0.02) for group in options["groups"]}
    assert {pattern: found[pattern] for pattern in expected} == pytest.approx(expected)


def test_rates_of_tables_grow_as_a_model_gets_narrow():
    wide, narrow = (
        options_of(TrainingConfig(optimizer="nanochat", momentum=0.9), upstream_model(depth))["groups"]
        for depth in (12, 3)
    )
    assert [b.rate / a.rate for a, b in zip(wide, narrow, strict=True)] == pytest.approx([2.0] * 3 + [1.0] * 6)
    assert np.isfinite([group.rate for group in narrow]).all()
