"""What nanochat adds, as parameters: names, shapes and first values, counted and drawn by hand from its source."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest

from nanochat.errors import ConfigError
from nanochat.models.flops import flops_per_token
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.gpt.upstream.config import UpstreamConfig
from nanochat.models.gpt.upstream.recipe import JULY, PINNED, upstream_model
from nanochat.models.initial import draw_weights
from nanochat.models.parameters import count_parameters, draw_lists


def test_with_nothing_added_the_parameters_are_those_of_a_gpt():
    same = {"n_layer": 3, "norm_gain": True, "norm": "layer", "init": "gpt2"}
    assert UpstreamConfig(**same).parameters() == GPTConfig(**same).parameters()


@pytest.mark.parametrize(("n_layer", "which"), [(1, [0]), (2, [1]), (5, [0, 2, 4])])
def test_the_last_layer_and_every_other_one_before_it_embed_values(n_layer, which):
    config = UpstreamConfig(n_layer=n_layer, value_embed=True)
    assert [layer for layer in range(n_layer) if config.embeds_values(layer)] == which
    table = config.parameters()
    assert [f"h.{layer}.value_embed.weight" in table for layer in range(n_layer)].count(True) == len(which)


def test_the_sizes_are_those_that_nanochat_has_without_padding():
    """Counted by hand for depth 3 and width 96 over 66 tokens: what the parity driver reports of upstream itself."""
    config = upstream_model(3, n_embd=96, n_head=3, block_size=64)
    blocks, tables, values = 3 * 12 * 96**2, 2 * 66 * 96, 2 * (66 * 96 + 3 * 12)
    assert count_parameters(config.parameters()) == blocks + tables + values + 2 * 3 + 24 + 1 + 1


def test_looked_up_tables_cost_no_operation_and_gates_do():
    plain = upstream_model(2, value_embed=False, smear=False)
    added = flops_per_token(upstream_model(2)) - flops_per_token(plain)
    assert added == 6 * (plain.kv_heads * 12 + 24)


def test_first_values_are_drawn_as_nanochat_draws_them():
    weights = draw_weights(upstream_model(3).parameters(), np.random.default_rng(0))
    deviation = 1 / math.sqrt(192)
    assert weights["wte.weight"].std() == pytest.approx(0.8, rel=0.03)  # of 12,672 numbers
    assert weights["lm_head.weight"].std() == pytest.approx(0.001, rel=0.03)
    for name, share in (("attn.qkv", 1), ("mlp.fc", 0.4), ("value_embed", 1)):
        found = weights[f"h.2.{name}.weight"]
        assert found.std() == pytest.approx(share * deviation, rel=0.03)
        assert np.abs(found).max() <= share * math.sqrt(3) * deviation
    gates = weights["h.2.value_gate.weight"]
    assert 0 <= gates.min() < gates.max() <= 0.02
    assert not weights["h.1.attn.proj.weight"].any()
    assert [weights[f"h.{i}.mix_x"].item() for i in range(3)] == pytest.approx([1.15, 1.10, 1.05])
    assert [weights[f"h.{i}.mix_x0"].item() for i in range(3)] == pytest.approx([0.20, 0.125, 0.05])
    assert (weights["backout"].item(), weights["smear.share"].item()) == (0.2, 0.0)


def test_first_values_of_february_are_neutral():
    table = upstream_model(3, PINNED).parameters()
    assert table["wte.weight"].scale == 1.0
    assert (table["h.0.mix_x"].scale, table["h.0.mix_x0"].scale) == (1.0, 0.1)
    assert table["h.0.value_gate.weight"].scale == 0.0
    assert table["h.0.mlp.fc.weight"].scale == table["h.0.attn.qkv.weight"].scale == math.sqrt(3 / 192)


def test_lists_are_drawn_from_the_same_ranges():
    lists = draw_lists(UpstreamConfig(n_layer=2, value_embed=True).parameters(), random.Random(0))
    assert all(0 <= x <= 0.02 for row in lists["h.1.value_gate.weight"] for x in row)


def test_more_channels_for_a_gate_than_there_are_is_refused():
    with pytest.raises(ConfigError, match="value_gate_channels=17 are more than n_embd=16 has: set"):
        UpstreamConfig(value_embed=True, value_gate_channels=17)


def test_both_editions_differ_where_the_two_commits_do():
    july, pinned = upstream_model(2), upstream_model(2, PINNED)
    changed = {name for name, value in vars(july).items() if value != getattr(pinned, name)}
    assert changed == {
        "rope_base", "attn_scale", "smear", "backout", "init", "value_gate_channels", "value_gate_range",
    }  # fmt: skip
    assert replace(pinned, **{name: getattr(july, name) for name in changed}) == july
    assert JULY.commit != PINNED.commit
