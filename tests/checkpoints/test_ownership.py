"""Only what is proven ours is replaced or removed; a stranger's file is named, and stays."""

import errno
import json
import os

import pytest

from nanochat.checkpoints.directory import list_checkpoints, save_directory
from nanochat.checkpoints.ownership import RUN, check_folder, check_pair, is_ours, is_step, remove_steps
from nanochat.errors import CheckpointError, GuardError
from nanochat.storage.atomic import open_text, write_text

NAMES = ("config.json", "report.md")


def write_one(folder):
    write_text(folder / "model.json", "weights")


@pytest.fixture
def steps(tmp_path):
    for step in (1, 2):
        save_directory(tmp_path / "checkpoints", step, write_one)
    return tmp_path / "checkpoints"


def test_a_new_or_empty_folder_is_free(tmp_path):
    check_folder(tmp_path, NAMES, proven=False, inside="checkpoints")
    check_folder(tmp_path / "new", NAMES, proven=False, inside="checkpoints")


@pytest.mark.parametrize("name", ["report.md", "checkpoints/best.pt", "checkpoints/step-00000001/notes.txt"])
def test_a_stranger_in_the_way_is_named(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(GuardError, match="is in the way"):
        check_folder(tmp_path, NAMES, proven=False, inside="checkpoints")


def test_a_stranger_that_is_in_nobodys_way_is_welcome(tmp_path):
    (tmp_path / "thesis.txt").write_text("years", encoding="utf-8")
    check_folder(tmp_path, NAMES, proven=False, inside="checkpoints")


@pytest.mark.parametrize("folder", ["", ".", "../here"])
def test_the_current_folder_is_never_filled_where_something_lies_in_it(tmp_path, monkeypatch, folder):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    check_folder(tmp_path / "here", NAMES, proven=False)
    (tmp_path / "here" / "thesis.txt").write_text("years", encoding="utf-8")
    with pytest.raises(GuardError, match=r"thesis\.txt is in the way"):
        check_folder(type(tmp_path)(folder), NAMES, proven=False)


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
@pytest.mark.parametrize("name", ["report.md", "checkpoints"])
def test_a_link_is_refused_even_where_the_folder_is_ours(tmp_path, name):
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(GuardError, match=rf"{name} is a link"):
        check_folder(tmp_path, NAMES, proven=True, inside="checkpoints")


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
@pytest.mark.parametrize("mode", ["a", "w"])
def test_no_file_is_opened_for_writing_through_a_link(tmp_path, mode):
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    (tmp_path / "log.txt").symlink_to(tmp_path / "precious")
    with pytest.raises(GuardError, match=r"log\.txt is a link"):
        open_text(tmp_path / "log.txt", mode)
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_no_draft_is_written_through_a_link(tmp_path):
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    (tmp_path / f".a.json.{os.getpid()}.tmp").symlink_to(tmp_path / "precious")
    write_text(tmp_path / "a.json", "whole")
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "whole"


@pytest.mark.parametrize("content", ["{}", "{", "[]", '{"preset": 1, "model_kind": 2}'])
def test_a_name_proves_nothing(tmp_path, content):
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    assert not is_ours(tmp_path / "config.json", RUN)


def test_a_pair_of_files_is_proven_by_the_one_in_json(tmp_path):
    (tmp_path / "evaluation.md").write_text("mine", encoding="utf-8")
    with pytest.raises(GuardError, match=r"evaluation\.md is in the way"):
        check_pair(tmp_path, "evaluation", {"source"})
    (tmp_path / "evaluation.json").write_text(json.dumps({"source": "x"}), encoding="utf-8")
    check_pair(tmp_path, "evaluation", {"source"})


def test_checkpoints_go_and_what_is_not_ours_stays(steps):
    (steps / "best.pt").write_text("mine", encoding="utf-8")
    write_text(steps / "step-00000009" / "weights.pt", "mine")
    (steps / "step-00000001" / "notes.txt").write_text("mine", encoding="utf-8")
    remove_steps(steps)
    assert sorted(path.name for path in steps.iterdir()) == ["best.pt", "step-00000001", "step-00000009"]


def test_a_damaged_checkpoint_is_ours_as_well(steps):
    (steps / "step-00000002" / "MANIFEST.json").write_text("{", encoding="utf-8")
    (steps / "step-00000001" / "model.json").write_text("other", encoding="utf-8")
    assert all(map(is_step, list_checkpoints(steps)))
    remove_steps(steps)
    assert list_checkpoints(steps) == []


def test_later_checkpoints_alone_are_removed(steps):
    remove_steps(steps, after=1)
    assert [folder.name for folder in list_checkpoints(steps)] == ["step-00000001"]


def test_results_of_one_kind_are_not_put_beside_those_of_another(tmp_path):
    (tmp_path / "recipe.json").write_text("{}", encoding="ascii")
    with pytest.raises(GuardError, match=r"another kind, as recipe\.json in it says: choose another --out"):
        check_folder(tmp_path, NAMES, proven=True, other="recipe.json")


def test_what_may_not_be_read_is_said_to_be_so_and_not_a_strangers(tmp_path, monkeypatch):
    """It may be ours: `move it away` would be the wrong advice."""
    (tmp_path / "evaluation.json").write_text("{}", encoding="utf-8")

    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", denied)  # root may read what chmod forbids
    with pytest.raises(CheckpointError, match=r"evaluation\.json cannot be read \(Permission denied\)"):
        check_pair(tmp_path, "evaluation", {"source"})


def test_nothing_is_added_to_a_checkpoint(steps):
    """A file that its manifest does not list would be damage."""
    with pytest.raises(GuardError, match="is a checkpoint, to which nothing is added"):
        check_folder(next(path for path in steps.iterdir() if path.is_dir()), ["report.md"], proven=True)
