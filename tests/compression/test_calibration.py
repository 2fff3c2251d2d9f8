"""What layers read, looked up by hand."""

import numpy as np
import pytest

from nanochat.compression.blocks import block_weights, gpt_of
from nanochat.compression.calibration import calibration_rows, change_layers, input_grams
from nanochat.data.tokens import TokenArray
from nanochat.engine.tensor import no_grad
from nanochat.errors import DataError


def test_a_gram_is_the_sum_over_all_that_a_layer_reads(snapshot, ids):
    model = gpt_of(snapshot)
    with no_grad():
        x = model.embed(ids, np.arange(8))
        read = model.h[0].norm_1(x).data.reshape(-1, 16).astype(np.float64)
    np.testing.assert_allclose(input_grams(model, ids, "attn.qkv")[0], read.T @ read, rtol=1e-5)


def test_looking_changes_nothing(snapshot, ids):
    model = gpt_of(snapshot)
    before = model.predict(ids)
    input_grams(model, ids, "mlp.proj")
    np.testing.assert_array_equal(model.predict(ids), before)
    assert [name for name, _ in model.named_parameters()] == list(snapshot.weights)


def test_each_layer_is_changed_once_in_order_and_sees_those_before_it(snapshot, ids):
    seen = {}

    def change(name, weight, gram):
        seen[name] = gram
        return weight * 0.5

    model = gpt_of(snapshot)
    changed = change_layers(model, ids, change)
    assert list(seen) == list(changed) == block_weights(model.config)
    untouched = input_grams(gpt_of(snapshot), ids, "attn.proj")[0]
    assert not np.allclose(seen["h.0.attn.proj.weight"], untouched, rtol=0.1)  # half of qkv is another attention
    for name, weight in changed.items():
        np.testing.assert_array_equal(weight, snapshot.weights[name] * np.float32(0.5))


def test_rows_are_spread_over_the_text_and_lie_on_no_other():
    stream = TokenArray.from_text(np.arange(100))
    rows = calibration_rows(stream, 4, 8)
    assert rows[:, 0].tolist() == [0, 30, 60, 90]
    assert (np.diff(rows, axis=1) == 1).all()
    assert calibration_rows(stream, 12, 8).shape == (12, 8)
    assert len(set(calibration_rows(stream, 12, 8).reshape(-1).tolist())) == 96


def test_a_text_that_is_too_short_is_one_sentence():
    with pytest.raises(DataError, match=r"has 100 tokens, and 13 calibration rows of 8 take 104: .* e\.g\. 12"):
        calibration_rows(TokenArray.from_text(np.arange(100)), 13, 8)
