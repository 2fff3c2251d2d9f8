"""A model in one JSON file: every float exactly, and whatever a file holds, one sentence instead of a traceback."""

import copy
import json
import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.checkpoints.weights import Snapshot, load_snapshot, save_snapshot
from nanochat.errors import CheckpointError
from nanochat.inference.language_model import load
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.tokenizers import CharTokenizer

TOKENIZER = CharTokenizer("ab")
CONFIG = GPTConfig(vocab_size=3, block_size=2, n_embd=2, n_head=1, mlp_width=2)


def snapshot_of(config=CONFIG, **changes) -> Snapshot:
    content = {
        "model_kind": "gpt",
        "mode": "scalar",
        "dtype": "float64",
        "model": vars(config),
        "tokenizer": TOKENIZER.to_dict(),
        "stops_at_bos": True,
        "weights": draw_weights(config.parameters(), np.random.default_rng(0)),
    }
    return Snapshot(**(content | changes))


def content_of(path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "model.json"
    save_snapshot(path, snapshot_of())
    load(path)
    return content_of(path)


def refusal(tmp_path, content) -> str:
    """The sentence with which the file is refused."""
    path = tmp_path / "model.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(CheckpointError) as refused:
        load(path)
    assert str(path) in str(refused.value)
    return str(refused.value)


@given(weights=st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1))
def test_every_float64_survives_exactly(tmp_path_factory, weights):
    path = tmp_path_factory.mktemp("weights") / "model.json"
    given_array = np.array([*weights, 5e-324, 2.2250738585072014e-308, -0.0, 1.7976931348623157e308, 0.1])
    save_snapshot(path, snapshot_of(weights={"w": given_array}))
    assert load_snapshot(path).weights["w"].tobytes() == given_array.tobytes()


@given(weights=st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1))
def test_every_float32_survives_exactly(tmp_path_factory, weights):
    path = tmp_path_factory.mktemp("weights") / "model.json"
    given_array = np.array([*weights, 1e-45, 3.4028235e38], dtype=np.float32)
    save_snapshot(path, snapshot_of(weights={"w": given_array}))
    assert load_snapshot(path).weights["w"].astype(np.float32).tobytes() == given_array.tobytes()


def test_a_snapshot_is_read_back_as_it_was(tmp_path):
    save_snapshot(tmp_path / "model.json", snapshot_of())
    back, given_one = load_snapshot(tmp_path / "model.json"), snapshot_of()
    for name in ("model_kind", "mode", "dtype", "model", "tokenizer", "stops_at_bos"):
        assert getattr(back, name) == getattr(given_one, name)
    assert list(back.weights) == list(given_one.weights)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_weight_that_is_not_finite_is_not_written(tmp_path, bad):
    with pytest.raises(ValueError, match="JSON"):
        save_snapshot(tmp_path / "model.json", snapshot_of(weights={"w": np.array([bad])}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", [*Snapshot.__dataclass_fields__, "format", "version"])
def test_a_missing_key_is_one_sentence(tmp_path, good, key):
    refusal(tmp_path, {name: value for name, value in good.items() if name != key})


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("format", "other", "not a nanochat model"),
        ("version", 2, "format version 2, this program reads 1"),
        ("model_kind", "lstm", "model_kind='lstm'"),
        ("mode", "quantum", "mode='quantum'"),
        ("dtype", "int8", "dtype='int8'"),
        ("stops_at_bos", 1, "stops_at_bos=1"),
        ("tokenizer", {}, "tokenizer kind None is unknown"),
        ("tokenizer", {"kind": "char", "chars": "ba", "unknown": "error", "has_unk": False}, "sorted order"),
        ("tokenizer", {"kind": "char", "chars": "abc", "unknown": "error", "has_unk": False}, "4 tokens, its model 3"),
        ("model", {"n_embd": 3, "n_head": 2}, "n_embd=3 is not divisible"),
        ("model", {"n_layr": 3}, "did you mean 'n_layer'"),
        ("weights", [], "no weights by name"),
        ("weights", {}, "weights for n_layer=1"),
        ("extra", 1, "there is no setting"),
    ],
)
def test_a_wrong_value_is_named(tmp_path, good, key, value, part):
    assert part in refusal(tmp_path, good | {key: value})


@pytest.mark.parametrize(
    "weight", [None, "0.5", [["0.5", "0.5"]] * 3, [[1, 2], [3]], [[True, False]] * 3, [[]], 10**400, {}]
)
def test_a_weight_that_is_no_block_of_numbers_is_named(tmp_path, good, weight):
    content = copy.deepcopy(good)
    content["weights"]["wte.weight"] = weight
    assert "wte.weight" in refusal(tmp_path, content)


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(tmp_path, good, bad):
    content = copy.deepcopy(good)
    content["weights"]["wte.weight"][0][0] = 12345.5
    refusal(tmp_path, json.dumps(content).replace("12345.5", bad))


@pytest.mark.parametrize(
    ("field", "value"),
    [("n_layer", 10**9), ("n_embd", 10**12), ("vocab_size", 10**12), ("block_size", 10**12), ("n_embd", 10**400)],
)
def test_a_small_file_cannot_ask_for_a_large_model(tmp_path, good, field, value):
    content = copy.deepcopy(good)
    content["model"][field] = value
    refusal(tmp_path, content)


def test_float32_refuses_what_it_cannot_hold(tmp_path, good):
    content = copy.deepcopy(good) | {"mode": "tensor", "dtype": "float32"}
    content["weights"]["wte.weight"][0][0] = 1e39
    assert "float32 cannot" in refusal(tmp_path, content)


@pytest.mark.parametrize("text", ["", "{", "null", "7", "[]", '"model"', "[" * 100_000, '{"a":' * 100_000, "\x00"])
def test_what_is_no_object_is_one_sentence(tmp_path, text):
    refusal(tmp_path, text)


def paths_in(content, at=()):
    """Every place in a JSON document."""
    yield at
    children = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, child in children:
        yield from paths_in(child, (*at, key))


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


@given(data=st.data())
def test_a_file_with_anything_replaced_loads_or_is_refused(tmp_path_factory, good, data):
    content = copy.deepcopy(good)
    *way, last = data.draw(st.sampled_from([path for path in paths_in(content) if path]))
    inner = content
    for key in way:
        inner = inner[key]
    if data.draw(st.booleans()) and isinstance(inner, dict):
        del inner[last]
    else:
        inner[last] = data.draw(JUNK)
    path = tmp_path_factory.mktemp("mutant") / "model.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with suppress(CheckpointError):
        assert load(path).logits([0, 1]).shape == (2, 3)


@given(cut=st.integers(0, 3000), flip=st.integers(0, 255))
def test_a_file_with_any_byte_changed_loads_or_is_refused(tmp_path_factory, good, cut, flip):
    raw = bytearray(json.dumps(good).encode())
    raw[cut % len(raw)] = flip
    path = tmp_path_factory.mktemp("mutant") / "model.json"
    path.write_bytes(raw)
    with suppress(CheckpointError):
        load(path).logits([0, 1])
