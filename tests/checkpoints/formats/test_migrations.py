"""Files of every version that was ever written load, with the logits they had; those to come are refused kindly.

golden/version-N/ was written by the program of version N: a tensor GPT in a checkpoint folder, a scalar bigram beside
it, and the logits of both. Of version 3 there is a quantised GPT alone: all else is still written as version 2.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from nanochat.checkpoints.directory import read_manifest, verify
from nanochat.checkpoints.formats.arrays import FORMATS, write_arrays
from nanochat.checkpoints.formats.migrations import MIGRATIONS
from nanochat.checkpoints.weights import FORMAT, VERSION, load_snapshot, save_snapshot
from nanochat.errors import CheckpointError
from nanochat.inference.language_model import load

GOLDEN = Path(__file__).parents[1] / "golden"
VERSIONS = range(1, VERSION + 1)


def folder_of(version) -> Path:
    return GOLDEN / f"version-{version}"


def logits_of(version) -> dict:
    return json.loads((folder_of(version) / "logits.json").read_text(encoding="utf-8"))


def test_there_is_a_golden_file_and_a_migration_for_every_version():
    assert sorted(path.name for path in GOLDEN.iterdir()) == [f"version-{version}" for version in VERSIONS]
    assert list(MIGRATIONS) == list(VERSIONS)[:-1]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("place", ["", "checkpoints/step-00000003"])
def test_a_golden_checkpoint_has_the_logits_it_had(version, place):
    expected = logits_of(version)
    model = load(folder_of(version) / place)
    assert (model.mode, model.model_kind, model.logits([0]).dtype) == ("tensor", "gpt", np.float32)
    # Another BLAS may add in another order.
    np.testing.assert_allclose(model.logits(expected["ids"]), expected["gpt"], rtol=1e-5, atol=1e-6)


GOLDEN_FILES = sorted(GOLDEN.glob("*/bigram*"))


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_golden_file_has_the_logits_it_had(path):
    expected = logits_of(path.parent.name.removeprefix("version-"))
    model = load(path)
    assert (model.mode, model.model_kind, model.stops_at_bos) == ("scalar", "bigram", True)
    np.testing.assert_allclose(model.logits(expected["ids"]), expected["bigram"], rtol=1e-12)


def test_all_versions_and_formats_hold_the_same_weights():
    first, *others = (load_snapshot(path).weights for path in GOLDEN_FILES)
    for weights in others:
        assert weights.keys() == first.keys()
        assert all(weights[name].tobytes() == first[name].tobytes() for name in first)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_golden_manifest_is_whole(version):
    folder = folder_of(version) / "checkpoints" / "step-00000003"
    verify(folder)
    manifest = read_manifest(folder)
    assert (manifest["step"], manifest["version"]) == (3, min(version, 2))  # the manifest's own, which is 2 since then


def test_version_1_knew_no_origin():
    assert load(folder_of(1)).origin == {}
    assert load(folder_of(2) / "bigram.json").origin["preset"] == "bigram"


def test_a_model_of_version_1_is_saved_in_the_newest(tmp_path):
    model = load(folder_of(1))
    for ending in FORMATS:
        model.save(tmp_path / f"model{ending}")
        again = load_snapshot(tmp_path / f"model{ending}")
        assert all(again.weights[name].dtype == np.float32 for name in again.weights)
        np.testing.assert_array_equal(load(tmp_path / f"model{ending}").logits([0, 1]), model.logits([0, 1]))


@pytest.fixture
def version_1() -> dict:
    return json.loads((folder_of(1) / "bigram.json").read_text(encoding="utf-8"))


def refusal(tmp_path, content) -> str:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(CheckpointError) as refused:
        load(path)
    assert str(path) in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    "weight", [None, "0.5", [["0.5", "0.5"]] * 3, [[1, 2], [3]], [[True, False]] * 3, [[]], 10**400, {}, [[0.5, True]]]
)
def test_a_weight_of_version_1_that_is_no_block_of_numbers_is_named(tmp_path, version_1, weight):
    version_1["weights"]["wte.weight"] = weight
    assert "wte.weight" in refusal(tmp_path, version_1)


def test_float32_of_version_1_refuses_what_it_cannot_hold(tmp_path, version_1):
    version_1 |= {"mode": "tensor", "dtype": "float32"}
    version_1["weights"]["wte.weight"][0][0] = 1e39
    assert "float32 cannot" in refusal(tmp_path, version_1)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"weights": []}, "no weights by name"),
        ({"version": 4}, "format version 4, this program reads 1 to 3: update nanochat"),
        ({"version": 2}, "wte.weight (4, 4) is missing"),
        ({"version": None}, "format version None"),
        ({"dtype": "int8"}, "dtype='int8'"),
        ({"extra": 1}, "there is no setting"),
    ],
)
def test_what_is_wrong_in_version_1_is_named(tmp_path, version_1, change, part):
    assert part in refusal(tmp_path, version_1 | change)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_newer_version_is_refused_with_a_hint(tmp_path, ending):
    path = tmp_path / f"model{ending}"
    write_arrays(path, {}, {"format": FORMAT, "version": VERSION + 1, "what": "nobody knows yet"})
    with pytest.raises(CheckpointError, match=rf"format version {VERSION + 1}, .*: update nanochat"):
        load(path)


def test_a_golden_folder_can_be_read_where_nothing_may_be_written(tmp_path):
    folder = shutil.copytree(folder_of(1), tmp_path / "run")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert load(folder).logits([0]).shape == (1, 4)
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)


def test_a_checkpoint_of_version_1_goes_on_as_one_of_version_2(tmp_path):
    snapshot = load_snapshot(folder_of(1) / "checkpoints" / "step-00000003" / "model.json")
    save_snapshot(tmp_path / "a.safetensors", snapshot)
    golden = folder_of(2) / "checkpoints" / "step-00000003" / "model.safetensors"
    assert (tmp_path / "a.safetensors").read_bytes() == golden.read_bytes()
