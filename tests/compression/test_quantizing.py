"""A quantised model: what is stored how, what comes back, and that making up for errors pays."""

import numpy as np
import pytest

from nanochat.checkpoints.weights import load_snapshot, save_snapshot
from nanochat.compression.blocks import gpt_of
from nanochat.compression.quantizing import Scheme, quantize
from nanochat.errors import ConfigError
from nanochat.inference.language_model import load

SCHEMES = {
    "INT8 per output channel": (Scheme(), {"int8"}),
    "INT4 groups of 8, nearest": (Scheme("int4", 8), {"int8", "int4 / 8"}),
    "INT4 per output channel, error-compensated": (Scheme("int4", 0, "gptq"), {"int8", "int4"}),
    "INT4 groups of 8, nearest, embeddings too": (Scheme("int4", 8, embedding_dtype="int4"), {"int4 / 8"}),
    "float16 storage": (Scheme("float16"), {"float16"}),
    "bfloat16 storage": (Scheme("bfloat16"), {"bfloat16"}),
}


@pytest.mark.parametrize("words", SCHEMES)
def test_what_is_read_back_computes_what_was_measured(tmp_path, snapshot, ids, words):
    scheme, kinds = SCHEMES[words]
    assert scheme.words == words
    small = quantize(snapshot, scheme, ids)
    assert {stored.words for stored in small.storage.values()} == kinds
    save_snapshot(tmp_path / "m.safetensors", small)
    np.testing.assert_array_equal(load(tmp_path / "m.safetensors").model.predict(ids), gpt_of(small).predict(ids))
    back = load_snapshot(tmp_path / "m.safetensors")
    assert all(back.weights[name].tobytes() == small.weights[name].tobytes() for name in small.weights)


def test_gains_stay_floats_beside_whole_numbers(snapshot):
    small = quantize(snapshot, Scheme())
    assert {name for name in small.weights if name not in small.storage} == {
        name for name, weight in snapshot.weights.items() if weight.ndim == 1
    }


def test_a_model_in_single_numbers_can_be_quantised(tmp_path, snapshot):
    from dataclasses import replace

    scalar = replace(snapshot, mode="scalar", dtype="float64",
                     weights={name: w.astype(np.float64) for name, w in snapshot.weights.items()})  # fmt: skip
    save_snapshot(tmp_path / "m.safetensors", quantize(scalar, Scheme()))
    model = load(tmp_path / "m.safetensors")
    assert model.mode == "scalar"
    np.testing.assert_allclose(
        model.logits([1, 2]), gpt_of(quantize(snapshot, Scheme())).predict(np.array([[1, 2]]))[0], atol=1e-4
    )  # float32 against float64


def test_making_up_for_errors_leaves_less_of_them(snapshot, ids):
    logits = gpt_of(snapshot).predict(ids)
    off = [
        np.linalg.norm(gpt_of(quantize(snapshot, Scheme("int4", 0, method), ids)).predict(ids) - logits)
        for method in ("gptq", "nearest")
    ]
    assert off[0] < off[1]


def test_a_number_that_float16_cannot_hold_is_named(snapshot):
    snapshot.weights["wte.weight"][0, 0] = 1e6
    with pytest.raises(ConfigError, match=r"wte\.weight holds numbers that float16 cannot"):
        quantize(snapshot, Scheme("float16"))
    quantize(snapshot, Scheme("bfloat16"))
