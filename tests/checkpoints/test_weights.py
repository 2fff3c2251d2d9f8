"""A model in one file of any format: what was saved comes back, and whatever else a file holds is one sentence."""

import copy
import json
import math
from contextlib import suppress
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.checkpoints.formats.arrays import FORMATS, read_arrays, write_arrays
from nanochat.checkpoints.weights import Snapshot, load_snapshot, save_snapshot
from nanochat.compression.rounding import round_to_nearest
from nanochat.errors import CheckpointError, ConfigError, DivergedError
from nanochat.inference.language_model import load
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.tokenizers import CharTokenizer

TOKENIZER = CharTokenizer("ab")
ORIGIN = {"step": 500, "preset": "microgpt", "data": "builtin:names", "seed": 1337}
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
        "origin": ORIGIN,
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


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_snapshot_is_read_back_as_it_was(tmp_path, ending, dtype):
    weights = {name: array.astype(dtype) for name, array in snapshot_of().weights.items()}
    given_one = snapshot_of(mode="tensor", dtype=dtype, weights=weights)
    written = save_snapshot(tmp_path / f"model{ending}", given_one)
    back = load_snapshot(tmp_path / f"model{ending}", sha256=written["sha256"])
    for field in fields(Snapshot):
        if field.name not in ("weights", "storage"):
            assert getattr(back, field.name) == getattr(given_one, field.name)
    assert back.weights.keys() == weights.keys()
    for name, array in weights.items():
        assert back.weights[name].dtype == array.dtype
        assert back.weights[name].tobytes() == array.tobytes()


def test_saving_does_not_copy_the_weights(tmp_path):
    class Uncopied(np.ndarray):
        def __deepcopy__(self, memo):
            raise AssertionError

    weights = {name: array.view(Uncopied) for name, array in snapshot_of().weights.items()}
    save_snapshot(tmp_path / "model.safetensors", snapshot_of(weights=weights))


@pytest.mark.parametrize("ending", FORMATS)
def test_lists_of_a_scalar_model_are_saved_as_float64(tmp_path, ending):
    save_snapshot(tmp_path / f"model{ending}", snapshot_of(weights={"w": [[0.1, 0.2]], "b": [0.3]}))
    back = load_snapshot(tmp_path / f"model{ending}").weights
    assert (back["w"].dtype, back["w"].tolist(), back["b"].tolist()) == (np.float64, [[0.1, 0.2]], [0.3])


def test_anyones_reader_gets_the_weights_by_their_documented_names(tmp_path):
    from safetensors.numpy import load_file

    save_snapshot(tmp_path / "model.safetensors", snapshot_of())
    theirs = load_file(tmp_path / "model.safetensors")
    assert theirs.keys() == CONFIG.parameters().keys()
    assert {"wte.weight", "h.0.attn.qkv.weight", "h.0.mlp.proj.weight"} < theirs.keys()
    for name, array in snapshot_of().weights.items():
        np.testing.assert_array_equal(theirs[name], array)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_weight_that_is_not_finite_is_not_written(tmp_path, ending, bad):
    with pytest.raises(DivergedError, match="w is not finite"):
        save_snapshot(tmp_path / f"model{ending}", snapshot_of(weights={"w": np.array([bad])}))
    assert list(tmp_path.iterdir()) == []


def test_a_weight_that_is_not_finite_is_not_read(tmp_path):
    save_snapshot(tmp_path / "a.safetensors", snapshot_of())
    arrays, header = read_arrays(tmp_path / "a.safetensors")
    arrays["wte.weight"][0, 0] = math.nan
    write_arrays(tmp_path / "model.safetensors", arrays, header)
    with pytest.raises(CheckpointError, match=r"wte\.weight holds a number that is not finite"):
        load_snapshot(tmp_path / "model.safetensors")


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"\.safetensors or \.json or \.json\.gz"):
        save_snapshot(tmp_path / "model.pt", snapshot_of())


def test_a_file_of_somebody_else_is_no_model(tmp_path):
    write_arrays(tmp_path / "model.safetensors", {"w": np.ones(2)})
    with pytest.raises(CheckpointError, match="is not a nanochat model"):
        load(tmp_path / "model.safetensors")


@pytest.mark.parametrize("key", [*(field.name for field in fields(Snapshot)), "format", "version"])
def test_a_missing_key_is_one_sentence(tmp_path, good, key):
    if key == "weights":
        refusal(tmp_path, good | {"arrays": {}})
    elif key not in ("origin", "end_ids", "storage"):  # which nobody needs
        content = good_copy(good)
        del content["header"][key]
        refusal(tmp_path, content)


def test_end_ids_stand_in_a_file_only_where_there_are_any(tmp_path):
    save_snapshot(tmp_path / "model.json", snapshot_of())
    assert "end_ids" not in (tmp_path / "model.json").read_text(encoding="utf-8")
    save_snapshot(tmp_path / "model.json", snapshot_of(end_ids=(1, 2)))
    assert load_snapshot(tmp_path / "model.json").end_ids == (1, 2)
    save_snapshot(tmp_path / "model.json", snapshot_of(end_ids=(10**9,)))
    with pytest.raises(CheckpointError, match="end_ids="):
        load(tmp_path / "model.json")


def good_copy(good) -> dict:
    return copy.deepcopy(good)


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("format", "other", "not a nanochat model"),
        ("version", 4, "format version 4, this program reads 1 to 3: update nanochat"),
        ("version", 0, "format version 0"),
        ("version", True, "format version True"),
        ("version", "2", "format version '2'"),
        ("model_kind", "lstm", "model_kind='lstm'"),
        ("mode", "quantum", "mode='quantum'"),
        ("dtype", "int8", "dtype='int8'"),
        ("stops_at_bos", 1, "stops_at_bos=1"),
        ("origin", 1, "origin=1"),
        ("tokenizer", {}, "tokenizer kind None is unknown"),
        ("tokenizer", {"kind": "char", "chars": "ba", "unknown": "error", "has_unk": False}, "sorted order"),
        ("tokenizer", {"kind": "char", "chars": "abc", "unknown": "error", "has_unk": False}, "4 tokens, its model 3"),
        ("model", {"n_embd": 3, "n_head": 2}, "n_embd=3 is not divisible"),
        ("model", {"n_layr": 3}, "did you mean 'n_layer'"),
        ("extra", 1, "there is no setting"),
    ],
)
def test_a_wrong_value_is_named(tmp_path, good, key, value, part):
    assert part in refusal(tmp_path, good | {"header": good["header"] | {key: value}})


def test_everything_that_does_not_fit_the_model_is_in_one_message(tmp_path, good):
    content = good_copy(good)
    arrays = content["arrays"]
    arrays["stranger"] = {"dtype": "float64", "shape": [1], "values": [0.5]}
    del arrays["wpe.weight"]
    arrays["wte.weight"]["shape"] = [2, 3]
    arrays["h.0.mlp.fc.weight"]["dtype"] = "float32"
    message = refusal(tmp_path, content)
    for part in (
        "wpe.weight (2, 2) is missing",
        "stranger (1,) is unexpected",
        "wte.weight has shape (2, 3), the model has (3, 2)",
        "h.0.mlp.fc.weight is float32, the model float64",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("field", "value"),
    [("n_layer", 10**9), ("n_embd", 10**12), ("vocab_size", 10**12), ("block_size", 10**12), ("n_embd", 10**400)],
)
def test_a_small_file_cannot_ask_for_a_large_model(tmp_path, good, field, value):
    content = good_copy(good)
    content["header"]["model"][field] = value
    refusal(tmp_path, content)


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
    content = good_copy(good)
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


def quantised_snapshot():
    """One weight in four bits, one in eight, the others as they were, of a model in arrays."""
    weights = {name: array.astype(np.float32) for name, array in snapshot_of().weights.items()}
    small, stored = {}, {}
    for name, dtype in (("wte.weight", "int8"), ("h.0.mlp.fc.weight", "int4")):
        small[name], stored[name] = round_to_nearest(weights[name], dtype)
    return snapshot_of(mode="tensor", dtype="float32", weights=weights | small, storage=stored)


def test_a_quantised_snapshot_is_read_back_and_saved_again_bit_for_bit(tmp_path):
    save_snapshot(tmp_path / "a.safetensors", quantised_snapshot())
    back = load_snapshot(tmp_path / "a.safetensors")
    assert {name: stored.words for name, stored in back.storage.items()} == {
        "wte.weight": "int8", "h.0.mlp.fc.weight": "int4"}  # fmt: skip
    for name, array in quantised_snapshot().weights.items():
        assert (back.weights[name].dtype, back.weights[name].tobytes()) == (array.dtype, array.tobytes())
    save_snapshot(tmp_path / "b.safetensors", back)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert load(tmp_path / "a.safetensors").logits([0, 1]).shape == (2, 3)


def test_only_what_is_quantised_has_a_version_that_earlier_programs_refuse(tmp_path):
    for snapshot, version in ((snapshot_of(), 2), (quantised_snapshot(), 3)):
        save_snapshot(tmp_path / "a.safetensors", snapshot)
        assert read_arrays(tmp_path / "a.safetensors")[1]["version"] == version


def test_json_holds_a_quantised_model_as_floats(tmp_path):
    save_snapshot(tmp_path / "a.json", quantised_snapshot())
    back = load_snapshot(tmp_path / "a.json")
    assert (back.storage, content_of(tmp_path / "a.json")["header"]["version"]) == ({}, 2)
    assert all(back.weights[name].tobytes() == array.tobytes() for name, array in quantised_snapshot().weights.items())


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda header: header.update(quantization=[]), "quantization is no table"),
        (lambda header: header["quantization"].update({"nobody": {"dtype": "int8", "group": 0}}), "nobody is missing"),
        (lambda header: header["quantization"].pop("wte.weight"), "is int8, the model float32"),
        (lambda header: header.update(version=2), "there is no setting"),
    ],
)
def test_a_header_that_tells_another_storage_is_refused(tmp_path, change, part):
    save_snapshot(tmp_path / "a.safetensors", quantised_snapshot())
    found, header = read_arrays(tmp_path / "a.safetensors")
    change(header)
    write_arrays(tmp_path / "b.safetensors", found, header)
    with pytest.raises(CheckpointError, match=part):
        load(tmp_path / "b.safetensors")
