import os
from dataclasses import replace

import pytest

from nanochat.errors import CheckpointError
from nanochat.experiments.runs import compare_rows, find_runs, latest_run, rows_of
from nanochat.training.folder.record import read_run
from nanochat.training.resolve import merge
from nanochat.training.run import run_training


@pytest.fixture
def root(tiny_run, tmp_path):
    """Two runs, `new` begun after `old`."""
    for age, (name, config) in enumerate({"new": replace(tiny_run, seed=6), "old": tiny_run}.items()):
        run_training(config, out=tmp_path / name)
        os.utime(tmp_path / name / "config.json", (1e9 - age, 1e9 - age))
    return tmp_path


def test_the_newest_run_comes_first(root):
    assert [run.path.name for run in find_runs(root)] == ["new", "old"]
    assert latest_run(root) == root / "new"


def test_a_damaged_run_is_told_and_the_others_are_listed(root):
    (root / "new" / "config.json").write_text("{", encoding="utf-8")
    damaged = []
    assert [run.path.name for run in find_runs(root, damaged.append)] == ["old"]
    assert damaged[0].path == root / "new"
    assert "config.json" in damaged[0].reason


@pytest.mark.parametrize("there", [True, False])
def test_no_run_says_how_to_make_one(tmp_path, there):
    root = tmp_path if there else tmp_path / "results"
    assert find_runs(root) == []
    with pytest.raises(CheckpointError, match="nanochat train"):
        latest_run(root)


def test_a_row_holds_what_the_record_says(root):
    row, record = rows_of(find_runs(root))[1], read_run(root / "old").record
    assert (row["run"], row["seed"], row["steps"], row["status"]) == ("old", 5, 6, "ok")
    assert (row["val_loss"], row["final_loss"]) == (record.val_loss, record.final_loss)


def test_a_run_that_was_killed_is_listed_by_its_metrics(root):
    (root / "old" / "record.json").unlink()
    row = rows_of(find_runs(root))[1]
    assert (row["status"], row["steps"], row["parameter_count"]) == ("unfinished", 6, None)
    assert row["val_loss"] > 0


def test_runs_side_by_side_show_the_settings_that_differ_and_all_results(root):
    rows = {row["field"]: row for row in compare_rows(find_runs(root))}
    assert rows["seed"] == {"field": "seed", "new": 6, "old": 5}
    assert "training.lr" not in rows
    assert rows["val_loss"]["old"] == read_run(root / "old").record.val_loss
    assert {"new", "old", "field"} == set(merge(*rows.values()))


def test_runs_of_the_same_name_are_told_apart_by_their_paths(root, tiny_run, tmp_path):
    run_training(tiny_run, out=tmp_path / "elsewhere" / "old")
    rows = compare_rows([read_run(root / "old"), read_run(tmp_path / "elsewhere" / "old")])
    assert list(rows[0])[1:] == [(root / "old").as_posix(), (tmp_path / "elsewhere" / "old").as_posix()]
