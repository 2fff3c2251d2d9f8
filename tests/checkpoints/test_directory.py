"""A checkpoint folder is complete before it has its name, and every kind of damage is found."""

import json
import os
import shutil

import pytest

from nanochat.checkpoints import directory
from nanochat.checkpoints.directory import MANIFEST, newest_checkpoint, save_directory, verify
from nanochat.checkpoints.files import write_text
from nanochat.errors import CheckpointError, WriteError


def write_two(folder):
    write_text(folder / "model.json", "weights")
    write_text(folder / "state.json", "state")


@pytest.fixture
def checkpoint(tmp_path):
    return save_directory(tmp_path, 7, write_two)


def test_a_checkpoint_has_its_files_and_a_manifest(checkpoint):
    assert checkpoint.name == "step-00000007"
    assert sorted(path.name for path in checkpoint.iterdir()) == [MANIFEST, "model.json", "state.json"]
    verify(checkpoint)
    manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
    assert (manifest["step"], manifest["files"]["model.json"]["bytes"]) == (7, 7)


def damage_flip(folder):
    (folder / "model.json").write_text("wEights", encoding="utf-8")


def damage_cut(folder):
    (folder / "model.json").write_text("weight", encoding="utf-8")


def damage_empty(folder):
    (folder / "state.json").write_bytes(b"")


def damage_remove(folder):
    (folder / "state.json").unlink()


def damage_add(folder):
    (folder / "extra.json").write_text("{}", encoding="utf-8")


def damage_folder_for_file(folder):
    (folder / "state.json").unlink()
    (folder / "state.json").mkdir()


def damage_no_manifest(folder):
    (folder / MANIFEST).unlink()


def damage_torn_manifest(folder):
    text = (folder / MANIFEST).read_text(encoding="utf-8")
    (folder / MANIFEST).write_text(text[: len(text) // 2], encoding="utf-8")


def damage_other_version(folder):
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps(manifest | {"version": 2}), encoding="utf-8")


def damage_list_manifest(folder):
    (folder / MANIFEST).write_text("[]", encoding="utf-8")


def damage_wrong_files(folder):
    (folder / MANIFEST).write_text('{"version": 1, "files": ["model.json"]}', encoding="utf-8")


DAMAGES = [damage for name, damage in sorted(globals().items()) if name.startswith("damage_")]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_every_damage_is_found(checkpoint, damage):
    damage(checkpoint)
    with pytest.raises(CheckpointError) as refused:
        verify(checkpoint)
    assert str(checkpoint) in str(refused.value)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_the_newest_whole_checkpoint_is_found_behind_a_torn_one(tmp_path, damage):
    for step in (9, 10, 100):
        save_directory(tmp_path, step, write_two)
    assert newest_checkpoint(tmp_path).name == "step-00000100"
    damage(tmp_path / "step-00000100")
    assert newest_checkpoint(tmp_path).name == "step-00000010"


def test_where_all_are_damaged_each_is_named(tmp_path):
    for step in (1, 2):
        damage_cut(save_directory(tmp_path, step, write_two))
    with pytest.raises(CheckpointError, match=r"no whole checkpoint.*step-00000002.*step-00000001"):
        newest_checkpoint(tmp_path)


def test_where_there_is_none_the_sentence_says_why(tmp_path):
    with pytest.raises(CheckpointError, match="stopped before its first one"):
        newest_checkpoint(tmp_path)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_leaves_the_old_checkpoint_and_nothing_else(checkpoint, error):
    def fail(folder):
        write_text(folder / "model.json", "half")
        raise error

    for step in (7, 8):
        with pytest.raises(WriteError if isinstance(error, OSError) else KeyboardInterrupt):
            save_directory(checkpoint.parent, step, fail)
    assert [path.name for path in checkpoint.parent.iterdir()] == [checkpoint.name]
    verify(checkpoint)
    assert (checkpoint / "model.json").read_text(encoding="utf-8") == "weights"


@pytest.mark.parametrize("failing_call", [1, 2])
def test_a_rename_that_fails_leaves_the_old_checkpoint(checkpoint, monkeypatch, failing_call):
    real, n_calls = os.replace, 0

    def replace(source, goal):
        nonlocal n_calls
        if os.path.basename(goal).startswith(("step", ".step")) and str(source).find("json") < 0:  # noqa: PTH119
            n_calls += 1
            if n_calls == failing_call:
                raise OSError(5, "Input/output error")
        real(source, goal)

    monkeypatch.setattr(directory.os, "replace", replace)
    with pytest.raises(WriteError):
        save_directory(checkpoint.parent, 7, lambda folder: write_text(folder / "model.json", "new"))
    monkeypatch.undo()
    assert n_calls >= failing_call
    assert [path.name for path in checkpoint.parent.iterdir()] == [checkpoint.name]
    verify(checkpoint)


def test_the_same_step_is_replaced(checkpoint):
    save_directory(checkpoint.parent, 7, lambda folder: write_text(folder / "model.json", "new"))
    verify(checkpoint)
    assert sorted(path.name for path in checkpoint.iterdir()) == [MANIFEST, "model.json"]
    assert [path.name for path in checkpoint.parent.iterdir()] == [checkpoint.name]


def test_what_a_killed_process_left_behind_is_no_checkpoint(tmp_path, checkpoint):
    shutil.copytree(checkpoint, tmp_path / ".step-00000009.123.new")
    assert newest_checkpoint(tmp_path) == checkpoint


def test_the_same_content_gives_the_same_bytes(tmp_path):
    first, second = (save_directory(tmp_path / name, 7, write_two) for name in "ab")
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


def test_a_file_where_the_folder_should_be_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(WriteError):
        save_directory(tmp_path / "file", 1, write_two)
