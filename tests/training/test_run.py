"""A whole run: it learns, it is the same twice, it leaves whole files, and it stops for good reasons only."""

import gc
import json
import math
from pathlib import Path

import pytest

from nanochat.checkpoints.directory import newest_checkpoint, verify
from nanochat.errors import DataError, GuardError, WriteError
from nanochat.inference.language_model import load
from nanochat.training import run as run_module
from nanochat.training.config import RunConfig
from nanochat.training.folder.record import read_run
from nanochat.training.resolve import resolve
from nanochat.training.run import Evaluated, Prepared, Sampled, Saved, run_training
from nanochat.training.trainer import StepMetrics


@pytest.fixture
def abab(tmp_path) -> Path:
    path = tmp_path / "abab.txt"
    path.write_text("ab" * 300, encoding="utf-8")
    return path


def config_of(source, preset="bigram", **training) -> RunConfig:
    training = {"steps": 6, "batch_size": 2, "eval_tokens": 64, "eval_every": 0, **training}
    return resolve({"preset": preset, "data": {"source": str(source)}, "training": training})


def kinds(events) -> list[tuple[str, int]]:
    return [(type(event).__name__, getattr(event, "step", 0)) for event in events]


@pytest.mark.parametrize(("preset", "steps"), [("bigram", 400), ("mini-gpt", 20)])
def test_the_loss_falls_on_a_text_that_repeats(abab, preset, steps):
    losses = []
    config = config_of(abab, preset, steps=steps, batch_size=1)
    run_training(config, observe=lambda event: losses.append(event.loss) if isinstance(event, StepMetrics) else None)
    tenth = steps // 10
    assert sum(losses[-tenth:]) < sum(losses[:tenth])


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
def test_the_same_config_writes_the_same_metrics_and_weights(abab, tmp_path, mode):
    config = resolve(
        {
            "preset": "bigram",
            "mode": mode,
            "data": {"source": str(abab)},
            "training": {"steps": 8, "eval_every": 3, "sample_every": 2, "checkpoint_every": 4},
        }
    )
    for name in "ab":
        run_training(config, out=tmp_path / name)
    for file in ("metrics.jsonl", "config.json", "tokenizer.json", "checkpoints/step-00000008/MANIFEST.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_samples_and_evaluations_leave_the_training_as_it_is(abab):
    runs = []
    for settings in ({}, {"eval_every": 1, "sample_every": 1}):
        losses = []
        config = config_of(abab, **settings)
        run_training(config, observe=lambda e, to=losses: to.append(e.loss) if isinstance(e, StepMetrics) else None)
        runs.append(losses)
    assert runs[0] == runs[1]


def test_a_run_tells_what_happens_in_order(abab, tmp_path):
    events = []
    config = config_of(abab, steps=4, eval_every=2, checkpoint_every=2, sample_every=3)
    run_training(config, out=tmp_path / "run", observe=events.append)
    assert kinds(events) == [
        ("Prepared", 0),
        ("Evaluated", 0),
        ("StepMetrics", 1),
        ("StepMetrics", 2),
        ("Saved", 2),
        ("Evaluated", 2),
        ("StepMetrics", 3),
        ("Sampled", 3),
        ("StepMetrics", 4),
        ("Saved", 4),
        ("Evaluated", 4),
        ("Ended", 0),
    ]
    prepared, sampled = events[0], events[7]
    assert isinstance(prepared, Prepared)
    assert prepared.n_train_tokens == 540
    assert prepared.counts_loss < math.log(3)
    assert isinstance(sampled, Sampled)
    assert set(sampled.text) <= set("ab")


def test_the_checkpoint_is_on_disk_before_the_evaluation_that_follows(abab, tmp_path, monkeypatch):
    seen, real = [], run_module.evaluate

    def evaluate(*arguments):
        seen.append(sorted(path.name for path in (tmp_path / "run" / "checkpoints").glob("step-*")))
        return real(*arguments)

    monkeypatch.setattr(run_module, "evaluate", evaluate)
    run_training(config_of(abab, steps=4, eval_every=2, checkpoint_every=2), out=tmp_path / "run")
    assert seen == [[], ["step-00000002"], ["step-00000002", "step-00000004"]]


def test_each_step_is_saved_once(abab, tmp_path):
    saved = []
    run_training(
        config_of(abab, steps=9, checkpoint_every=2),
        out=tmp_path / "run",
        observe=lambda event: saved.append(event.step) if isinstance(event, Saved) else None,
        should_stop=lambda: saved == [2, 4],
    )
    assert saved == [2, 4]


def test_the_record_sums_up_the_metrics(abab, tmp_path):
    record = run_training(config_of(abab, steps=7, eval_every=3), out=tmp_path / "run")
    run = read_run(tmp_path / "run")
    losses = [row["loss"] for row in run.metrics if "loss" in row]
    validations = [row["val_loss"] for row in run.metrics if "val_loss" in row]
    assert run.record == record
    assert (record.steps, record.final_loss, record.last_n) == (7, losses[-1], 7)
    assert record.mean_loss_last_n == pytest.approx(sum(losses) / 7)
    assert (record.initial_loss, record.val_loss) == (validations[0], validations[-1])
    assert (record.best_val_loss, len(validations)) == (min(validations), 4)
    assert record.perplexity == pytest.approx(math.exp(record.val_loss))
    assert record.bits_per_byte == pytest.approx(record.val_loss / math.log(2))  # each token is one byte of text
    assert record.parameter_count == load(tmp_path / "run").model.n_parameters() == 18
    assert (record.vocab_size, record.train_tokens) == (3, 540)


def test_the_weights_on_disk_are_those_that_were_validated_last(abab, tmp_path):
    record = run_training(config_of(abab, eval_tokens=0), out=tmp_path / "run")
    session = run_module.prepare(read_run(tmp_path / "run").config)
    found = run_module.evaluate(
        load(tmp_path / "run").model, session.validation(), session.dataset.tokenizer.token_bytes()
    )
    assert found.loss == record.val_loss


def test_no_steps_measure_and_save_the_first_weights(abab, tmp_path):
    record = run_training(config_of(abab, steps=0), out=tmp_path / "run")
    assert (record.steps, record.status) == (0, "ok")
    assert record.val_loss == record.initial_loss == pytest.approx(math.log(3), abs=0.01)
    assert math.isnan(record.final_loss)
    assert newest_checkpoint(tmp_path / "run" / "checkpoints").name == "step-00000000"


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
@pytest.mark.parametrize("lr", [1e5, 1e100, 1e154, 1e300])
def test_a_run_that_diverges_says_so_and_keeps_what_was_good(abab, tmp_path, mode, lr):
    settings = {"steps": 30, "lr": lr, "optimizer": "sgd", "weight_decay": 1e3, "checkpoint_every": 1}
    config = resolve(
        {
            "preset": "bigram",
            "mode": mode,
            "dtype": "float64",
            "data": {"source": str(abab)},
            "training": {**settings, "max_grad_norm": 0.0, "lr_schedule": "constant", "eval_every": 0},
        }
    )
    record = run_training(config, out=tmp_path / "run")
    assert record.status == "diverged"
    assert f"step {record.steps + 1}" in record.reason or f"after step {record.steps}" in record.reason
    assert math.isnan(record.val_loss)
    run = read_run(tmp_path / "run")
    assert run.record.status == "diverged"
    assert [row["step"] for row in run.metrics if "loss" in row] == list(range(1, record.steps + 1))
    for folder in (tmp_path / "run" / "checkpoints").glob("step-*"):
        verify(folder)
        load(folder)


def test_a_validation_loss_that_is_no_number_is_a_divergence(abab, tmp_path, monkeypatch):
    real, n_calls = run_module.evaluate, 0

    def evaluate(*arguments):
        nonlocal n_calls
        n_calls += 1
        found = real(*arguments)
        return found if n_calls == 1 else type(found)(math.nan, math.nan, found.n_tokens)

    monkeypatch.setattr(run_module, "evaluate", evaluate)
    record = run_training(config_of(abab, steps=5, eval_every=2), out=tmp_path / "run")
    assert (record.status, record.steps) == ("diverged", 2)
    assert "the validation loss is nan after step 2" in record.reason
    assert record.best_val_loss == record.initial_loss
    assert "val_loss" not in read_run(tmp_path / "run").metrics[-1]  # nan is null in the file, and left out when read


def test_stopping_between_steps_saves_the_finished_step(abab, tmp_path):
    events = []
    record = run_training(
        config_of(abab, steps=50),
        out=tmp_path / "run",
        observe=events.append,
        should_stop=lambda: any(isinstance(event, StepMetrics) and event.step == 3 for event in events),
    )
    assert (record.status, record.steps, record.reason) == ("interrupted", 3, "stopped after step 3")
    assert newest_checkpoint(tmp_path / "run" / "checkpoints").name == "step-00000003"
    assert len([row for row in read_run(tmp_path / "run").metrics if "loss" in row]) == 3


def test_a_wish_to_stop_at_the_last_step_changes_nothing(abab):
    steps = []
    observe = lambda event: steps.append(event) if isinstance(event, StepMetrics) else None  # noqa: E731
    record = run_training(config_of(abab, steps=1), observe=observe, should_stop=lambda: bool(steps))
    assert record.status == "ok"


def test_a_wish_to_stop_before_the_first_step_saves_the_first_weights(abab, tmp_path):
    record = run_training(config_of(abab), out=tmp_path / "run", should_stop=lambda: True)
    assert (record.status, record.steps, record.val_loss) == ("interrupted", 0, record.initial_loss)
    assert newest_checkpoint(tmp_path / "run" / "checkpoints").name == "step-00000000"


def test_the_memory_guard_watches_and_saves_before_it_refuses(abab, tmp_path, monkeypatch):
    sizes = iter([100, 100, 1000])
    monkeypatch.setattr(run_module, "resident_bytes", lambda: next(sizes))
    with pytest.raises(GuardError, match="memory grew"):
        run_training(config_of(abab, steps=100), out=tmp_path / "run")
    assert newest_checkpoint(tmp_path / "run" / "checkpoints").name == "step-00000033"
    load(tmp_path / "run")


def test_the_memory_guard_can_be_turned_off(abab, monkeypatch):
    monkeypatch.setattr(run_module, "resident_bytes", iter([1]).__next__)
    assert run_training(config_of(abab, steps=40, max_memory_growth=0.0)).status == "ok"


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_collector_rests_while_numbers_train_and_is_then_as_before(abab, was_enabled):
    during = []
    (gc.enable if was_enabled else gc.disable)()
    try:
        run_training(config_of(abab), observe=lambda event: during.append((type(event), gc.isenabled())))
        assert {enabled for kind, enabled in during if kind in (StepMetrics, Evaluated)} == {False}
        assert gc.isenabled() == was_enabled
    finally:
        gc.enable()


def test_the_collector_works_again_after_an_error(abab):
    def observe(event):
        if isinstance(event, StepMetrics):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_training(config_of(abab), observe=observe)
    assert gc.isenabled()


def test_arrays_leave_the_collector_alone(abab):
    during = []
    config = resolve({"preset": "bigram", "mode": "tensor", "data": {"source": str(abab)}, "training": {"steps": 2}})
    run_training(config, observe=lambda event: during.append(gc.isenabled()))
    assert all(during)


def test_a_new_run_in_an_old_folder_leaves_nothing_of_the_old_one(abab, tmp_path):
    out = tmp_path / "run"
    run_training(config_of(abab, steps=9, checkpoint_every=3), out=out)
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    run_training(config_of(abab, steps=2), out=out)
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-00000002"]
    assert len((out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 4
    assert (out / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_bad_data_leave_an_old_run_alone_and_make_no_new_folder(abab, tmp_path):
    out = tmp_path / "run"
    run_training(config_of(abab, steps=2), out=out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for folder in (out, tmp_path / "other"):
        with pytest.raises(DataError):
            run_training(config_of(tmp_path / "missing.txt"), out=folder)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "other").exists()


def test_a_file_where_the_folder_should_be_is_one_sentence(abab, tmp_path):
    with pytest.raises(WriteError, match=r"cannot write .*abab\.txt"):
        run_training(config_of(abab), out=abab)
    assert abab.read_text(encoding="utf-8").startswith("abab")


def test_metrics_are_strict_json(abab, tmp_path):
    run_training(config_of(abab), out=tmp_path / "run")
    text = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8")

    def refuse(word):
        raise AssertionError(word)

    rows = [json.loads(line, parse_constant=refuse) for line in text.splitlines()]
    assert text.endswith("\n")
    assert all(isinstance(row["step"], int) for row in rows)


@pytest.mark.parametrize("steps", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_numbers_and_arrays_walk_down_the_same_losses(steps):
    runs = {}
    for mode in ("scalar", "tensor"):
        losses = []
        config = resolve(
            {
                "preset": "microgpt",
                "mode": mode,
                "dtype": "float64",
                "training": {"steps": steps, "eval_every": 0, "eval_tokens": 32},
            }
        )
        run_training(config, observe=lambda e, to=losses: to.append(e.loss) if isinstance(e, StepMetrics) else None)
        runs[mode] = losses
    # Both are float64; sums are taken in another order, and Adam amplifies that a little at each step.
    assert runs["scalar"] == pytest.approx(runs["tensor"], abs=1e-9)
