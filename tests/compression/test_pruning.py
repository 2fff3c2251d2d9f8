"""Weights at 0 in the blocks alone, as many as asked for, and held there by training."""

import numpy as np
import pytest

from nanochat.compression.blocks import block_weights, gpt_of
from nanochat.compression.importance import Pattern
from nanochat.compression.pruning import Pruning, masks_of, prune
from nanochat.errors import ConfigError


@pytest.mark.parametrize("method", ["magnitude", "wanda", "sparsegpt"])
@pytest.mark.parametrize("pattern", [Pattern(0.5), Pattern(n=2, m=4)], ids=["half", "2:4"])
def test_half_of_the_blocks_weights_are_0_and_nothing_else_moves(snapshot, ids, method, pattern):
    pruned = prune(snapshot, Pruning(pattern, method), ids)
    names = block_weights(gpt_of(snapshot).config)
    assert all((pruned.weights[name] == 0).mean() == 0.5 for name in names)
    assert all(pruned.weights[name] is snapshot.weights[name] for name in snapshot.weights if name not in names)
    if method != "sparsegpt":
        left = masks_of(pruned)
        assert all((pruned.weights[name] == snapshot.weights[name] * left[name]).all() for name in names)


def test_making_up_for_what_goes_costs_less(snapshot, ids):
    logits = gpt_of(snapshot).predict(ids)
    off = {
        method: np.linalg.norm(gpt_of(prune(snapshot, Pruning(Pattern(0.5), method), ids)).predict(ids) - logits)
        for method in ("sparsegpt", "magnitude")
    }
    assert off["sparsegpt"] < off["magnitude"]


def test_a_row_that_would_be_empty_is_refused(snapshot, ids):
    snapshot.weights["h.1.mlp.fc.weight"][5] = 1e-9
    with pytest.raises(ConfigError, match=r"row 5 of h\.1\.mlp\.fc\.weight would keep no weight"):
        prune(snapshot, Pruning(Pattern(0.5), "magnitude", "global"), ids)
