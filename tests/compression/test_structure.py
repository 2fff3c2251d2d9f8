"""Parts taken out: what does nothing can go unseen, and what is left is fitted by least squares."""

import numpy as np
import pytest

from nanochat.compression.blocks import gpt_of
from nanochat.compression.distilling import of_layers
from nanochat.compression.structure import Shape, narrow, refitted
from nanochat.errors import ConfigError


def test_refitting_is_least_squares_on_the_inputs():
    rng = np.random.default_rng(0)
    x, weight, keep = (
        rng.standard_normal((200, 9)) @ rng.standard_normal((9, 9)),
        rng.standard_normal((4, 9)),
        [0, 2, 5, 8],
    )
    fitted = refitted(weight, x.T @ x, np.array(keep))
    expected = np.linalg.lstsq(x[:, keep], x @ weight.T, rcond=None)[0].T
    off, best = (np.linalg.norm(x[:, keep] @ w.T - x @ weight.T) for w in (fitted, expected))
    assert off < 1.001 * best  # the damping of 1 % costs a little
    assert off < np.linalg.norm(x[:, keep] @ weight[:, keep].T - x @ weight.T)


@pytest.mark.parametrize("activation", ["gelu", "swiglu"])
def test_a_head_and_neurons_that_nobody_reads_can_go_unseen(snapshot_of, ids, activation):
    snapshot = snapshot_of()
    if activation == "swiglu":
        snapshot = snapshot_of()
        snapshot.model["activation"] = "swiglu"
        for layer in (0, 1):
            one = snapshot.weights[f"h.{layer}.mlp.fc.weight"]
            snapshot.weights[f"h.{layer}.mlp.fc.weight"] = np.concatenate([one, one[::-1]])
    for layer in (0, 1):
        snapshot.weights[f"h.{layer}.attn.proj.weight"][:, 4:8] = 0  # the second of four heads
        snapshot.weights[f"h.{layer}.mlp.proj.weight"][:, [3, 7]] = 0
    small = narrow(snapshot, Shape(heads=3, mlp_width=22), ids)
    model = gpt_of(small)
    assert (model.config.n_head, model.config.head_size, model.config.hidden) == (3, 4, 22)
    np.testing.assert_allclose(model.predict(ids), gpt_of(snapshot).predict(ids), atol=2e-2)  # refitted, damped by 1 %
    cut = gpt_of(narrow(snapshot, Shape(heads=3, mlp_width=22), ids, refit=False))
    np.testing.assert_allclose(cut.predict(ids), gpt_of(snapshot).predict(ids), atol=1e-4)  # float32


def test_refitting_costs_less_than_cutting(snapshot, ids):
    logits = gpt_of(snapshot).predict(ids)
    off = [
        np.linalg.norm(gpt_of(narrow(snapshot, Shape(heads=2, mlp_width=12), ids, refit=refit)).predict(ids) - logits)
        for refit in (True, False)
    ]
    assert off[0] < off[1]


def test_a_dropped_layer_is_gone_and_the_others_are_as_they_were(snapshot, ids):
    small = narrow(snapshot, Shape(drop_layers=(0,)), ids)
    assert small.model["n_layer"] == 1
    np.testing.assert_array_equal(small.weights["h.0.mlp.fc.weight"], snapshot.weights["h.1.mlp.fc.weight"])
    np.testing.assert_array_equal(gpt_of(small).predict(ids), gpt_of(of_layers(snapshot, [1])).predict(ids))


@pytest.mark.parametrize(
    ("shape", "fields", "part"),
    [
        (Shape(heads=5), {}, "--heads 5 is more than the 4"),
        (Shape(mlp_width=25), {}, "--mlp-width 25 is more than the 24"),
        (Shape(drop_layers=(2,)), {}, "layer 2 is none of them"),
        (Shape(drop_layers=(0, 1)), {}, "one has to stay"),
        (Shape(heads=2), {"n_kv_head": 2}, "n_kv_head=2 lets heads share keys"),
        (Shape(heads=2), {"attn_proj": False}, "attn_proj=false"),
    ],
)
def test_what_cannot_go_is_one_sentence(snapshot_of, ids, shape, fields, part):
    with pytest.raises(ConfigError, match=part):
        narrow(snapshot_of(**fields), shape, ids)
