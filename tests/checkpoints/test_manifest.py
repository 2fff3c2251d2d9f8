"""The manifest says what a checkpoint consists of, and nothing in it can be changed unseen."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from nanochat.checkpoints.directory import MANIFEST, read_manifest, save_directory, verify
from nanochat.checkpoints.manifest import write_manifest
from nanochat.errors import CheckpointError
from nanochat.machine import arithmetic
from nanochat.storage.atomic import write_text

EVIL = {"bytes": 4, "sha256": hashlib.sha256(b"evil").hexdigest()}


@pytest.fixture
def checkpoint(tmp_path):
    def write(folder):
        write_text(folder / "model.json", "weights!")
        write_text(folder / "state.json", "state")

    return save_directory(tmp_path, 7, write)


def content_of(folder) -> dict:
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))


def put(folder, content) -> None:
    (folder / MANIFEST).write_text(json.dumps(content, indent=2), encoding="utf-8")


def test_it_says_what_was_written_and_with_what(checkpoint):
    manifest = content_of(checkpoint)
    raw = (checkpoint / "model.json").read_bytes()
    assert manifest["files"]["model.json"] == {"bytes": 8, "sha256": hashlib.sha256(raw).hexdigest()}
    assert (manifest["format"], manifest["version"], manifest["step"]) == ("nanochat-checkpoint", 2, 7)
    assert set(manifest["versions"]) == {*arithmetic(), "nanochat"} > {"python", "numpy", "regex", "libc", "simd"}
    assert isinstance(manifest["blas"], str)


def assert_flips_are_seen(folder, bits, names="*"):
    """Of each file, the bits in this range."""
    for path in sorted(folder.glob(names)):
        raw = bytearray(path.read_bytes())
        for bit in range(8 * len(raw))[bits]:
            raw[bit // 8] ^= 1 << bit % 8
            path.write_bytes(raw)
            with pytest.raises(CheckpointError):
                verify(folder)
            raw[bit // 8] ^= 1 << bit % 8
        path.write_bytes(raw)
    verify(folder)


@pytest.fixture(params=[1, 2])
def golden(request, tmp_path):
    """A copy of the checkpoint that the program of this version wrote."""
    golden = Path(__file__).parent / "golden" / f"version-{request.param}" / "checkpoints" / "step-00000003"
    return shutil.copytree(golden, tmp_path / golden.name)


def test_a_bit_that_flips_is_seen(golden):
    assert_flips_are_seen(golden, slice(5, None, 89))


@pytest.mark.slow
def test_no_bit_of_a_manifest_can_flip_unseen(golden):
    assert_flips_are_seen(golden, slice(None), MANIFEST)


@pytest.mark.parametrize("name", ["../outside.json", "/dev/zero", "a/b", "a\\b", "C:x", ".", "..", "", "\0", MANIFEST])
def test_names_that_lead_out_of_the_folder_are_refused(checkpoint, name):
    (checkpoint.parent / "outside.json").write_bytes(b"evil")
    write_manifest(checkpoint, 7, {name: EVIL})
    with pytest.raises(CheckpointError, match="is damaged"):
        read_manifest(checkpoint)


@pytest.mark.parametrize(
    "files",
    [
        [],
        "model.json",
        {"model.json": 1},
        {"model.json": {"bytes": 4}},
        {"model.json": EVIL | {"x": 1}},
        {"model.json": EVIL | {"bytes": "4"}},
        {"model.json": EVIL | {"bytes": True}},
        {"model.json": EVIL | {"sha256": []}},
        {"model.json": EVIL | {"sha256": "0" * 63}},
        {"model.json": EVIL | {"sha256": "G" * 64}},
    ],
)
def test_files_that_are_no_files_are_refused(checkpoint, files):
    put(checkpoint, {"version": 1, "step": 7, "files": files})
    with pytest.raises(CheckpointError, match="is damaged"):
        read_manifest(checkpoint)


@pytest.mark.parametrize("content", [[], 1, {}, {"version": "2"}, {"version": 0}, {"version": True, "step": 7}])
def test_what_is_no_manifest_is_refused(checkpoint, content):
    put(checkpoint, content)
    with pytest.raises(CheckpointError, match="is damaged"):
        read_manifest(checkpoint)


@pytest.mark.parametrize("key", ["format", "version", "step", "files", "versions", "blas", "sha256"])
def test_a_missing_key_is_refused(checkpoint, key):
    put(checkpoint, {name: value for name, value in content_of(checkpoint).items() if name != key})
    with pytest.raises(CheckpointError):
        read_manifest(checkpoint)


def test_a_newer_version_is_refused_with_a_hint(checkpoint):
    put(checkpoint, {"version": 3})
    with pytest.raises(CheckpointError, match="format version 3, this program reads up to 2: update nanochat"):
        verify(checkpoint)


def test_a_checkpoint_under_the_name_of_another_step_is_refused(checkpoint):
    renamed = checkpoint.rename(checkpoint.with_name("step-00000009"))
    with pytest.raises(CheckpointError, match="was saved as step 7: give it that name again"):
        verify(renamed)
    verify(renamed.rename(renamed.with_name("best")))


def test_a_huge_manifest_is_not_read(checkpoint):
    with (checkpoint / MANIFEST).open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(CheckpointError, match="1,099,511,627,776 bytes"):
        verify(checkpoint)


@pytest.mark.skipif(os.name == "nt", reason="links ask for rights that few have there")
@pytest.mark.parametrize("name", ["model.json", MANIFEST])
def test_a_link_is_not_followed_even_to_the_right_content(checkpoint, name):
    outside = (checkpoint / name).rename(checkpoint.parent / "outside.json")
    (checkpoint / name).symlink_to(outside)
    with pytest.raises(CheckpointError):
        verify(checkpoint)


@pytest.mark.skipif(os.name == "nt", reason="there are no such pipes there")
@pytest.mark.parametrize("name", ["model.json", MANIFEST])
def test_a_pipe_holds_nobody_up(checkpoint, name):
    (checkpoint / name).unlink()
    os.mkfifo(checkpoint / name)
    with pytest.raises(CheckpointError):
        verify(checkpoint)
