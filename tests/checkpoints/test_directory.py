"""A checkpoint folder is complete before it has its name, and the newest whole one is found behind damaged ones."""

import json
import os
import shutil
import warnings

import numpy as np
import pytest

from nanochat.checkpoints import directory, manifest
from nanochat.checkpoints.directory import (
    MANIFEST,
    list_checkpoints,
    newest_checkpoint,
    newest_that,
    prune,
    save_directory,
    superfluous,
    verify,
)
from nanochat.checkpoints.formats.arrays import write_arrays
from nanochat.errors import CheckpointError, NanochatWarning, TooLargeError, WriteError
from nanochat.storage import reading as source
from nanochat.storage.atomic import write_text
from nanochat.storage.lock import held


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
    (folder / MANIFEST).write_text(json.dumps(manifest | {"version": 3}), encoding="utf-8")


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
    with pytest.warns(NanochatWarning, match=r"step-00000100.*; went back to step-00000010"):
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

    monkeypatch.setattr(os, "replace", replace)
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


def test_steps_are_listed_by_number_and_nothing_else_is(tmp_path):
    assert list_checkpoints(tmp_path / "nowhere") == []
    for step in (100_000_000, 9, 10):
        save_directory(tmp_path, step, write_two)
    for name in ("step-1", "step-0000000x", ".step-00000001.1.new", "best", "step-00000001.json"):
        (tmp_path / name).mkdir()
    write_text(tmp_path / "step-00000002", "a file")
    assert [folder.name for folder in list_checkpoints(tmp_path)] == [
        "step-00000009",
        "step-00000010",
        "step-100000000",
    ]
    assert newest_checkpoint(tmp_path).name == "step-100000000"


def test_what_its_writer_says_of_a_file_is_not_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "file_sha256", lambda path: pytest.fail(f"{path} was read again"))

    def write(folder):
        return {"w.safetensors": write_arrays(folder / "w.safetensors", {"w": np.ones(3)})}

    folder = save_directory(tmp_path, 1, write)
    monkeypatch.undo()
    verify(folder)


def test_a_file_that_is_shorter_than_its_writer_said_is_no_checkpoint(tmp_path):
    def write(folder):
        written = write_text(folder / "a.json", "text")
        (folder / "a.json").write_text("tex", encoding="utf-8")
        return {"a.json": written}

    with pytest.raises(WriteError, match=r"has 3 bytes of 4 written: is the disk full\?"):
        save_directory(tmp_path, 1, write)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_disk_changed_while_it_was_written_is_found(tmp_path):
    def write(folder):
        written = write_text(folder / "a.json", "text")
        (folder / "a.json").write_text("tExt", encoding="utf-8")
        return {"a.json": written}

    with pytest.raises(CheckpointError, match=r"differs from its manifest in a\.json"):
        verify(save_directory(tmp_path, 1, write))


def test_whoever_reads_takes_the_newest_that_can_be_read_and_warns_of_the_others(tmp_path):
    for step in (1, 2, 3):
        save_directory(tmp_path, step, write_two)

    def read(folder):
        if folder.name > "step-00000001":
            raise CheckpointError(f"{folder} is not to my taste")
        return folder.name

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert newest_that(tmp_path, read) == "step-00000001"
    assert [str(one.message).split("/")[-1] for one in said] == [
        f"step-0000000{step} is not to my taste; went back to step-00000001" for step in (3, 2)
    ]


@pytest.mark.parametrize(
    ("keep_last", "keep", "left"),
    [
        (0, (), [1, 2, 3, 4, 5]),
        (1, (), [5]),
        (2, (), [4, 5]),
        (2, (1,), [1, 4, 5]),
        (2, (5, 7), [4, 5]),
        (9, (), [1, 2, 3, 4, 5]),
    ],
)
def test_pruning_keeps_the_newest_and_the_named(tmp_path, keep_last, keep, left):
    for step in range(1, 6):
        save_directory(tmp_path, step, write_two)
    before = list_checkpoints(tmp_path)
    planned = superfluous(tmp_path, keep_last=keep_last, keep=keep)
    assert list_checkpoints(tmp_path) == before
    removed = prune(tmp_path, keep_last=keep_last, keep=keep)
    assert removed == planned
    assert list_checkpoints(tmp_path) == [tmp_path / f"step-0000000{step}" for step in left]
    assert sorted(removed + list_checkpoints(tmp_path)) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in list_checkpoints(tmp_path)]


def test_only_whole_checkpoints_count_as_kept(tmp_path):
    for step in range(1, 6):
        save_directory(tmp_path, step, write_two)
    damage_cut(tmp_path / "step-00000005")
    damage_flip(tmp_path / "step-00000003")
    prune(tmp_path, keep_last=2)
    assert [folder.name for folder in list_checkpoints(tmp_path)] == ["step-00000002", "step-00000004"]


def test_where_none_is_whole_nothing_is_removed(tmp_path):
    for step in (1, 2):
        damage_cut(save_directory(tmp_path, step, write_two))
    assert prune(tmp_path, keep_last=1) == []
    assert len(list_checkpoints(tmp_path)) == 2


def test_a_checkpoint_of_a_newer_version_is_not_pruned(tmp_path):
    for step in (1, 2, 3):
        save_directory(tmp_path, step, write_two)
    for step in (1, 3):
        damage_other_version(tmp_path / f"step-0000000{step}")
    assert prune(tmp_path, keep_last=1) == []


def test_what_is_removed_never_has_its_name_and_half_its_files(tmp_path, monkeypatch):
    for step in (1, 2):
        save_directory(tmp_path, step, write_two)
    seen = []
    monkeypatch.setattr(directory, "remove", lambda path: seen.append([one.name for one in list_checkpoints(tmp_path)]))
    prune(tmp_path, keep_last=1)
    assert seen == [["step-00000002"]]
    monkeypatch.undo()
    save_directory(tmp_path, 3, write_two)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002", "step-00000003"]


def test_a_checkpoint_that_cannot_be_removed_is_one_sentence(tmp_path, monkeypatch):
    for step in (1, 2):
        save_directory(tmp_path, step, write_two)

    def fail(source, goal):
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(WriteError, match="step-00000001: Permission denied"):
        prune(tmp_path, keep_last=1)


def test_verifying_reads_each_file_once(checkpoint, monkeypatch):
    opened = []
    real = source._descriptor
    monkeypatch.setattr(
        source, "_descriptor", lambda path, *how, **more: opened.append(path.name) or real(path, *how, **more)
    )
    verify(checkpoint)
    assert sorted(opened) == [MANIFEST, "model.json", "state.json"]


def test_a_file_where_the_folder_should_be_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(WriteError):
        save_directory(tmp_path / "file", 1, write_two)


@pytest.mark.parametrize("unread", ["step-00000003", "step-00000001"])
def test_a_checkpoint_that_cannot_be_read_just_now_is_not_taken_for_damaged(tmp_path, monkeypatch, unread):
    """A disk that stutters while old checkpoints are cleared away must not cost the newest one."""
    for step in (1, 2, 3):
        save_directory(tmp_path, step, write_two)
    real = source._descriptor

    def stutter(path, *how, **more):
        if unread in str(path):
            raise OSError(5, "Input/output error")
        return real(path, *how, **more)

    monkeypatch.setattr(source, "_descriptor", stutter)
    prune(tmp_path, keep_last=1)
    monkeypatch.undo()
    verify(tmp_path / unread)
    assert newest_checkpoint(tmp_path).name == "step-00000003"


def test_pruning_passes_over_what_is_gone_already(tmp_path, monkeypatch):
    for step in (1, 2, 3):
        save_directory(tmp_path, step, write_two)
    found = superfluous(tmp_path, keep_last=1)
    shutil.rmtree(tmp_path / "step-00000001")
    monkeypatch.setattr(directory, "superfluous", lambda *_, **__: found)
    assert [folder.name for folder in prune(tmp_path, keep_last=1)] == ["step-00000002"]


@pytest.mark.skipif(os.name == "nt", reason="nothing that is read can be removed there")
def test_pruning_leaves_what_somebody_reads(tmp_path):
    for step in (1, 2):
        save_directory(tmp_path, step, write_two)
    with held(tmp_path / "step-00000001"):
        assert prune(tmp_path, keep_last=1) == []
    assert [folder.name for folder in prune(tmp_path, keep_last=1)] == ["step-00000001"]


def test_a_reader_that_comes_too_late_for_one_takes_the_newest_without_a_warning(tmp_path, recwarn):
    save_directory(tmp_path, 1, write_two)

    def read(folder):
        if folder.name == "step-00000001":
            save_directory(tmp_path, 2, write_two)
            shutil.rmtree(folder)
        verify(folder)
        return folder.name

    assert newest_that(tmp_path, read) == "step-00000002"
    assert len(recwarn) == 0


def test_a_checkpoint_that_memory_does_not_hold_is_not_passed_over(tmp_path):
    for step in (1, 2):
        save_directory(tmp_path, step, lambda draft: write_text(draft / "a.json", "{}"))
    asked = []

    def read(folder):
        asked.append(folder.name)
        raise TooLargeError("too large")

    with pytest.raises(TooLargeError):
        newest_that(tmp_path, read)
    assert asked == ["step-00000002"]
