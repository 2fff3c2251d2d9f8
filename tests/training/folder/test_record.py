"""A run read back from its folder: the same, or one sentence about what is damaged."""

import dataclasses
import json
import math
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.errors import CheckpointError, ConfigError
from nanochat.training.folder.record import RunRecord, describe_environment, from_row, read_metrics, read_run, to_row
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training

VALUES = {
    "str": st.text(max_size=5),
    "int": st.integers(0, 2**53),
    "bool": st.booleans(),
    "float": st.floats(allow_infinity=False),
}
FIELDS = {f.name: VALUES[f.type] for f in dataclasses.fields(RunRecord)}
RECORDS = st.builds(RunRecord, **FIELDS | {"status": st.sampled_from(["ok", "stopped", "interrupted", "diverged"])})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("record")
    (folder / "abab.txt").write_text("ab" * 50, encoding="utf-8")
    settings = {"steps": 3, "eval_tokens": 32}
    config = resolve({"preset": "bigram", "data": {"source": str(folder / "abab.txt")}, "training": settings})
    run_training(config, out=folder / "run")
    return folder / "run"


@given(RECORDS)
def test_a_record_survives_the_way_through_json(record):
    row = json.loads(json.dumps(to_row(record), allow_nan=False))
    # nan is not equal to itself, but its spelling is
    assert repr(from_row(row)) == repr(record)


def test_the_fourteen_columns_of_the_seed_come_first():
    names = [field.name for field in dataclasses.fields(RunRecord)]
    assert (
        names[:13]
        == (
            "tie_lm_head input_rmsnorm style parameter_count steps seed final_loss mean_loss_last_n last_n "
            "steps_per_sec tokens_per_sec vocab_size train_tokens"
        ).split()
    )  # after `variant`, which only a study knows


def test_a_run_is_read_back_as_it_was(run):
    saved = read_run(run)
    assert saved.config.training.steps == saved.record.steps == 3
    assert saved.config.model.vocab_size == 3
    assert saved.environment == describe_environment(saved.config)
    assert [row["step"] for row in saved.metrics] == [0, 1, 2, 3, 3]


def test_a_line_cut_short_at_the_end_is_left_out(run, tmp_path):
    text = (run / "metrics.jsonl").read_text(encoding="utf-8")
    (tmp_path / "metrics.jsonl").write_text(text[:-10], encoding="utf-8")
    assert read_metrics(tmp_path / "metrics.jsonl") == read_metrics(run / "metrics.jsonl")[:-1]


@pytest.mark.parametrize("line", ["{", "[]", "7", '{"loss": 1.0}', '{"step": "1"}', '{"step": 1, "loss": "low"}'])
def test_a_damaged_line_is_named(tmp_path, line):
    (tmp_path / "metrics.jsonl").write_text('{"step": 0, "val_loss": 1.0}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl, line 2 is damaged"):
        read_metrics(tmp_path / "metrics.jsonl")


def test_what_was_no_number_is_left_out(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 0, "val_loss": null}\n', encoding="utf-8")
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 0}]


@pytest.mark.parametrize("name", ["config.json", "record.json", "env.json"])
@pytest.mark.parametrize("content", ["", "[]", "{", "7", '{"x": NaN}', '{"model": 3}', "[" * 100_000])
def test_a_damaged_file_is_one_sentence(run, tmp_path, name, content):
    for file in run.glob("*.json*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_text(content, encoding="utf-8")
    if name == "env.json" and content in ("[]", "7", '{"model": 3}'):
        return  # only shown, never used
    with pytest.raises(CheckpointError) as refused:
        read_run(tmp_path)
    assert str(tmp_path) in str(refused.value)


def test_a_folder_without_a_run_says_so(tmp_path):
    with pytest.raises(CheckpointError, match="holds no run"):
        read_run(tmp_path)


def test_numbers_that_json_cannot_hold_become_null():
    example = {"str": "ok", "int": 3, "bool": True, "float": 1.5}
    record = RunRecord(**{field.name: example[field.type] for field in dataclasses.fields(RunRecord)})
    row = to_row(dataclasses.replace(record, val_loss=math.inf, final_loss=math.nan))
    assert (row["val_loss"], row["final_loss"], row["initial_loss"]) == (None, None, 1.5)


@pytest.mark.parametrize("status", ["<b>", "", "ok ", "a|b", "\x1b[31m"])
def test_a_status_that_is_no_word_is_refused(run, tmp_path, status):
    shutil.copytree(run, tmp_path / "run")
    row = json.loads((run / "record.json").read_text(encoding="utf-8"))
    (tmp_path / "run" / "record.json").write_text(json.dumps(row | {"status": status}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="no word that a run ends with"):
        read_run(tmp_path / "run")


@pytest.mark.parametrize("name", ["steps", "train_tokens", "parameter_count"])
@pytest.mark.parametrize("value", [10**400, -(10**400)])
def test_a_whole_number_that_no_float_holds_is_damage(name, value):
    row = {**to_row(RunRecord.of(resolve({"preset": "bigram"}), status="ok", reason="")), name: value}
    with pytest.raises(ConfigError, match=f"record.{name} is a number of 1,329 bits"):
        from_row(row)
    assert from_row({**row, name: 1, "seed": 10**400}).seed == 10**400
