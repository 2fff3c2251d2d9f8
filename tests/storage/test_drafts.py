"""What a killed process left behind is put right by the next one; what a living one is at is left alone."""

import os
import shutil
import subprocess
import sys

import pytest

from nanochat.checkpoints.directory import list_checkpoints, newest_checkpoint, prune, save_directory, verify
from nanochat.checkpoints.names import STEPS
from nanochat.errors import CheckpointError, GuardError
from nanochat.storage.atomic import write_text
from nanochat.storage.drafts import draft_name, give_name, new_folder, recover, remove_stale, sweep


def write_one(folder):
    write_text(folder / "model.json", "weights")


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def checkpoint(tmp_path):
    return save_directory(tmp_path, 7, write_one)


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("word", ["new", "old", "gone"])
def test_the_next_save_removes_what_the_dead_left(checkpoint, dead, word):
    shutil.copytree(checkpoint, checkpoint.with_name(f".step-00000007.{dead}.{word}"))
    save_directory(checkpoint.parent, 8, write_one)
    assert names(checkpoint.parent) == ["step-00000007", "step-00000008"]


def test_the_next_pruning_ends_what_a_killed_one_began(checkpoint, dead):
    shutil.copytree(checkpoint, checkpoint.with_name(f".step-00000006.{dead}.gone"))
    assert prune(checkpoint.parent, keep_last=3) == []
    assert names(checkpoint.parent) == ["step-00000007"]


def test_of_two_that_put_one_folder_right_the_second_finds_it_done(checkpoint, dead, monkeypatch):
    real = os.replace
    checkpoint.rename(checkpoint.with_name(f".step-00000007.{dead}.old"))

    def late(source, goal):
        real(source, goal)
        real(source, goal)

    monkeypatch.setattr(os, "replace", late)
    recover(checkpoint.parent, STEPS)
    assert names(checkpoint.parent) == ["step-00000007"]


@pytest.mark.parametrize("word", ["new", "old", "gone"])
def test_work_of_the_living_is_left_alone(checkpoint, word):
    shutil.copytree(checkpoint, checkpoint.with_name(f".step-00000009.{os.getppid()}.{word}"))
    save_directory(checkpoint.parent, 8, write_one)
    assert len(names(checkpoint.parent)) == 3


def test_work_of_our_own_number_is_that_of_a_predecessor(checkpoint):
    shutil.copytree(checkpoint, draft_name(checkpoint.with_name("step-00000009"), "new"))
    save_directory(checkpoint.parent, 8, write_one)
    assert names(checkpoint.parent) == ["step-00000007", "step-00000008"]


@pytest.mark.parametrize("look", [newest_checkpoint, lambda parent: save_directory(parent, 8, write_one)])
def test_a_crash_between_the_two_renames_loses_nothing(checkpoint, dead, look):
    checkpoint.rename(checkpoint.with_name(f".step-00000007.{dead}.old"))
    (checkpoint.parent / f".step-00000007.{dead}.new").mkdir()
    assert list_checkpoints(checkpoint.parent) == []
    look(checkpoint.parent)
    verify(checkpoint)


def test_whoever_only_reads_removes_nothing(checkpoint, dead):
    shutil.copytree(checkpoint, checkpoint.with_name(f".step-00000009.{dead}.new"))
    recover(checkpoint.parent, STEPS)
    newest_checkpoint(checkpoint.parent)
    assert len(names(checkpoint.parent)) == 2


def test_names_that_are_not_ours_are_left_alone(checkpoint, dead):
    mine = [".step-1.1.new", f".step-00000007.{dead}.txt", f"step-00000007.{dead}.new", ".step-00000007.x.new", "notes"]
    for name in mine:
        (checkpoint.parent / name).mkdir()
    sweep(checkpoint.parent, STEPS)
    assert names(checkpoint.parent) == sorted([*mine, checkpoint.name])


def test_a_disk_that_fails_at_the_second_rename_and_at_mending_it_loses_nothing(checkpoint, monkeypatch):
    real, n_calls = os.replace, 0

    def replace(source, goal):
        nonlocal n_calls
        n_calls += "step" in os.fspath(goal).rsplit("checkpoint", 1)[-1] and "json" not in os.fspath(source)
        if n_calls > 1 and "json" not in os.fspath(source):
            raise OSError(5, "Input/output error")
        real(source, goal)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(Exception, match="Input/output error"):
        save_directory(checkpoint.parent, 7, write_one)
    monkeypatch.undo()
    assert names(checkpoint.parent) == [f".step-00000007.{os.getpid()}.old"]
    assert newest_checkpoint(checkpoint.parent) == checkpoint
    verify(checkpoint)


def test_a_file_half_written_by_the_dead_goes_with_the_next_write(tmp_path, dead):
    write_text(tmp_path / f".a.json.{dead}.tmp", "half")
    write_text(tmp_path / f".a.json.{os.getppid()}.tmp", "at work")
    write_text(tmp_path / f".b.json.{dead}.tmp", "another file")
    write_text(tmp_path / "a.json", "whole")
    assert names(tmp_path) == sorted(["a.json", f".a.json.{os.getppid()}.tmp", f".b.json.{dead}.tmp"])


def test_where_there_is_no_checkpoint_nothing_is_made(tmp_path):
    with pytest.raises(CheckpointError):
        newest_checkpoint(tmp_path / "nowhere")
    assert names(tmp_path) == []


def no_links(*_):
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("link", [os.link, no_links])
def test_a_new_name_is_given_once(tmp_path, monkeypatch, link):
    monkeypatch.setattr(os, "link", link)
    goal = tmp_path / "a.txt"
    for number, text in enumerate(["first", "second"]):
        (tmp_path / "draft").write_text(text, encoding="ascii")
        if number:
            with pytest.raises(GuardError, match=r"a\.txt exists already"):
                give_name(tmp_path / "draft", goal, new=True)
        else:
            give_name(tmp_path / "draft", goal, new=True)
            assert not (tmp_path / "draft").exists()
    assert goal.read_text(encoding="ascii") == "first"
    give_name(tmp_path / "draft", goal)
    assert goal.read_text(encoding="ascii") == "second"


def test_inside_a_draft_a_file_is_written_plainly_and_once(tmp_path, monkeypatch):
    """Nobody reads there before the folder has its name: one sync, no second draft, no rename."""
    renamed, real = [], os.replace
    monkeypatch.setattr(os, "replace", lambda source, goal: renamed.append(goal) or real(source, goal))
    with new_folder(tmp_path / "goal", "goal") as draft:
        write_text(draft / "a.txt", "a")
        assert [path.name for path in draft.iterdir()] == ["a.txt"]
    assert renamed == [tmp_path / "goal"]
    assert (tmp_path / "goal" / "a.txt").read_text(encoding="utf-8") == "a"


def test_a_folder_that_another_process_made_first_stays(tmp_path):
    with new_folder(tmp_path / "goal", "goal") as draft:
        write_text(draft / "a.txt", "mine")
        write_text(tmp_path / "goal" / "a.txt", "theirs")
    assert [path.name for path in tmp_path.iterdir()] == ["goal"]
    assert (tmp_path / "goal" / "a.txt").read_text(encoding="utf-8") == "theirs"


@pytest.mark.parametrize("name", [".a.txt.20251224.tmp", ".a.txt.4194305.tmp"])
def test_what_no_process_can_have_left_is_not_swept(tmp_path, name):
    (tmp_path / name).write_text("mine", encoding="utf-8")
    remove_stale(tmp_path, "a.txt")
    assert (tmp_path / name).exists()


def test_a_folder_is_not_swept_where_files_are_written(tmp_path):
    (tmp_path / ".a.txt.4194303.tmp").mkdir()
    remove_stale(tmp_path, "a.txt")
    assert (tmp_path / ".a.txt.4194303.tmp").is_dir()
    remove_stale(tmp_path, "a.txt", folders=True)
    assert not list(tmp_path.iterdir())
