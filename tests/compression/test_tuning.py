"""Training that holds a mask: a weight that was left out is 0 to the bit, whichever optimizer moved it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from nanochat.compression.tuning import holding, tune, tuning_config
from nanochat.training.prepare import prepare
from nanochat.training.resolve import resolve
from nanochat.training.schedule import learning_rate


@pytest.fixture
def config(tmp_path):
    (tmp_path / "abab.txt").write_text("abcab" * 100, encoding="utf-8")
    return resolve({"preset": "mini-gpt", "mode": "tensor", "data": {"source": str(tmp_path / "abab.txt")},
                    "training": {"steps": 6, "batch_size": 2, "replicas": 1}})  # fmt: skip


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
def test_what_is_left_out_stays_0_and_the_rest_moves(config, optimizer):
    config = replace(config, training=replace(config.training, optimizer=optimizer, weight_decay=0.1))
    start = prepare(config).language_model.snapshot()
    name = "h.0.mlp.fc.weight"
    mask = np.random.default_rng(0).random(start.weights[name].shape) < 0.5
    start.weights[name][...] *= mask
    before = start.weights[name].copy()
    tuned = tune(replace(config, start_from="memory"), start=start, adapt=holding({name: mask}))
    after = tuned.model.model.state_dict()[name]
    assert not after[~mask].any()
    assert not np.signbit(after[~mask]).all()
    assert (after[mask] != before[mask]).any()
    assert tuned.cpu_s > 0


def test_a_mask_of_ones_changes_no_bit(config):
    plain = tune(config)
    name = "h.0.mlp.fc.weight"
    shape = plain.model.model.state_dict()[name].shape
    held = tune(config, adapt=holding({name: np.ones(shape, bool)}))
    for one, other in zip(plain.model.model.state_dict().values(), held.model.model.state_dict().values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_tuning_is_short_and_ends_at_rate_0(config):
    settings = tuning_config(config, start_from="there", steps=200, lr=1e-3).training
    assert (settings.steps, settings.weight_decay) == (200, 0.0)
    rates = [learning_rate(step, settings) for step in range(200)]
    assert rates.index(max(rates)) == 19  # it warms up
    assert all(one > other for one, other in pairwise(rates[20:]))
    assert rates[-1] < 0.01 * 1e-3
