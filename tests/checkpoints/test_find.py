"""A path means the model in it: of a file, of a checkpoint, of a run's last whole checkpoint or of its best."""

import json
import shutil
import warnings

import numpy as np
import pytest

from nanochat.checkpoints.directory import MANIFEST, list_checkpoints, save_directory
from nanochat.checkpoints.find import find_model_file, read_model
from nanochat.checkpoints.formats.arrays import FORMATS
from nanochat.checkpoints.weights import Snapshot, save_snapshot
from nanochat.errors import CheckpointError, ConfigError, NanochatWarning
from nanochat.inference.language_model import load
from nanochat.models.bigram.config import BigramConfig
from nanochat.storage.atomic import write_text
from nanochat.storage.reading import Source
from nanochat.tokenizers import CharTokenizer
from nanochat.training.folder.resume import plan_resume

CONFIG = BigramConfig(vocab_size=3)
LOSSES = {2: 0.5, 4: 0.3, 6: 0.4, 8: 0.3}


def snapshot_of(step) -> Snapshot:
    weights = {"wte.weight": np.full((3, 3), step, np.float32)}
    tokenizer = CharTokenizer("ab").to_dict()
    return Snapshot("bigram", "tensor", "float32", vars(CONFIG), tokenizer, True, weights, {"step": step})


def save(parent, step, ending=".safetensors"):
    def write(folder):
        write_text(folder / "optimizer.json", "slots")
        return {f"model{ending}": save_snapshot(folder / f"model{ending}", snapshot_of(step))}

    return save_directory(parent, step, write)


@pytest.fixture
def run(tmp_path):
    """A run of eight steps, with validations at 0, 2, 4, 6 and 8, and checkpoints but at 0."""
    rows = [{"step": step, "loss": 1.0} for step in range(1, 9)]
    rows += [{"step": step, "val_loss": loss} for step, loss in {0: 0.1, **LOSSES}.items()]
    metrics = "".join(json.dumps(row) + "\n" for row in sorted(rows, key=lambda row: row["step"]))
    write_text(tmp_path / "run" / "metrics.jsonl", metrics)
    for step in LOSSES:
        save(tmp_path / "run" / "checkpoints", step)
    return tmp_path / "run"


def step_of(path, which="last") -> int:
    file, snapshot = read_model(path, which)
    assert load(path, which).origin == snapshot.origin
    assert find_model_file(path, which) == file
    return snapshot.origin["step"]


def damage(folder, name="model.safetensors"):
    raw = bytearray((folder / name).read_bytes())
    raw[-1] ^= 1
    (folder / name).write_bytes(raw)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_model_is_found_in_a_file_a_folder_a_checkpoint_and_a_run(tmp_path, ending):
    folder = save(tmp_path / "run" / "checkpoints", 3, ending)
    copied = tmp_path / "copy" / f"model{ending}"
    copied.parent.mkdir()
    shutil.copy(folder / copied.name, copied)
    for path in (folder / copied.name, folder, tmp_path / "run", copied, copied.parent):
        assert step_of(path) == 3
    assert load(str(tmp_path / "run")).logits([0]).shape == (1, 3)
    assert find_model_file(tmp_path / "run") == folder / copied.name


def test_the_last_is_the_newest_whole_one_and_the_others_are_named(run):
    assert step_of(run) == 8
    damage(run / "checkpoints" / "step-00000008")
    with pytest.warns(NanochatWarning, match=r"step-00000008.*differs from its manifest.*went back to step-00000006"):
        assert step_of(run) == 6


def test_the_best_has_the_least_validation_loss_the_earliest_of_equals(run):
    assert step_of(run, "best") == 4


def test_a_damaged_best_gives_way_to_the_next_best_whole_one(run):
    damage(run / "checkpoints" / "step-00000004")
    with pytest.warns(NanochatWarning, match=r"step-00000004.*went back to step-00000008"):
        assert step_of(run, "best") == 8
    shutil.rmtree(run / "checkpoints" / "step-00000008")
    with pytest.warns(NanochatWarning, match="went back to step-00000006"):
        assert step_of(run, "best") == 6


def test_a_line_that_a_crash_cut_short_counts_for_nothing(run):
    with (run / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 8, "val_lo')
    assert step_of(run, "best") == 4


@pytest.mark.parametrize("line", ["{", "[]", "1", "{}", '{"loss": 1}'])
def test_a_damaged_line_is_named(run, line):
    with (run / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl, line 14 is damaged"):
        load(run, "best")


@pytest.mark.parametrize("loss", ["null", "NaN", "Infinity", "true", '"0.1"'])
def test_a_loss_that_is_no_number_is_not_the_least(run, loss):
    with (run / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(f'{{"step": 6, "val_loss": {loss}}}\n')
    assert step_of(run, "best") == 4


def test_where_nothing_was_validated_or_saved_there_is_no_best(run):
    write_text(run / "metrics.jsonl", '{"step": 2, "loss": 1.0}\n')
    with pytest.raises(CheckpointError, match=r"no checkpoint of a step that metrics\.jsonl has a val_loss for"):
        load(run, "best")
    (run / "metrics.jsonl").unlink()
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl is missing"):
        load(run, "best")


def test_only_a_run_has_a_best(run):
    for path in (run / "checkpoints" / "step-00000002", run / "checkpoints" / "step-00000002" / "model.safetensors"):
        with pytest.raises(CheckpointError, match="is no folder of a run"):
            load(path, "best")
    with pytest.raises(ConfigError, match="which='worst' is unknown"):
        load(run, "worst")


def test_each_file_is_read_once(run, monkeypatch):
    read = []
    real = Source.read
    monkeypatch.setattr(Source, "read", lambda source, n: read.append((source.path.name, n)) or real(source, n))
    read_model(run)
    sizes = {path.name: path.stat().st_size for path in (run / "checkpoints" / "step-00000008").iterdir()}
    del sizes["optimizer.json"]
    assert {name: sum(n for other, n in read if other == name) for name, _ in read} == sizes


def test_a_damaged_optimizer_does_not_keep_a_model_from_working(run):
    damage(run / "checkpoints" / "step-00000008", "optimizer.json")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert step_of(run) == 8


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.json"])
def test_a_checkpoint_with_a_file_missing_cut_or_added_is_refused(run, name):
    folder = run / "checkpoints" / "step-00000008"
    for change in (
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.unlink(),
        lambda file: file.with_name("extra").write_bytes(b""),
    ):
        copy = shutil.copytree(folder, run / "copy" / folder.name)
        change(copy / name)
        with pytest.raises(CheckpointError, match=r"step-00000008 differs from its manifest in \w+"):
            load(copy)
        shutil.rmtree(copy)


def test_a_checkpoint_without_a_model_is_one_sentence(tmp_path):
    folder = save_directory(tmp_path, 1, lambda folder: write_text(folder / "state.json", "{}") and None)
    with pytest.raises(CheckpointError, match="step-00000001 holds no model"):
        load(folder)


def test_where_all_are_damaged_each_is_named(run):
    for folder in (run / "checkpoints").iterdir():
        (folder / MANIFEST).unlink()
    with pytest.raises(CheckpointError, match=r"no whole checkpoint.*step-00000008.*step-00000002"):
        load(run)


def test_where_there_is_no_model_the_sentence_says_how_to_get_one(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "model.safetensors"):
        with pytest.raises(CheckpointError, match="train one with `nanochat train`"):
            load(path)


@pytest.mark.parametrize("what", ["a file", "a link to nothing"])
def test_what_is_no_folder_of_checkpoints_is_named(tmp_path, what):
    parent = tmp_path / "checkpoints"
    if what == "a file":
        parent.write_text("mine", encoding="ascii")
    else:
        parent.symlink_to("nowhere")
    with pytest.raises(CheckpointError, match="checkpoints is no folder: remove it, or restore it"):
        list_checkpoints(parent)
    with pytest.raises(CheckpointError, match="checkpoints is no folder"):
        read_model(tmp_path)
    with pytest.raises(CheckpointError, match="checkpoints is no folder"):
        plan_resume(tmp_path)
