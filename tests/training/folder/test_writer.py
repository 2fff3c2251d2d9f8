"""Checkpoints of a run: each before its validation, never fewer than promised, and what a guard stops still there."""

import math
from itertools import product
from pathlib import Path

import pytest
from resume_cases import SIZES, Killed

from nanochat.checkpoints.directory import list_checkpoints, newest_checkpoint, verify
from nanochat.checkpoints.names import step_of
from nanochat.errors import GuardError
from nanochat.experiments.ablation.cells import run_cell
from nanochat.experiments.ablation.grid import Cell
from nanochat.training import run as run_module
from nanochat.training.config import RunConfig
from nanochat.training.evaluate import Evaluation
from nanochat.training.events import Evaluated, Saved
from nanochat.training.folder import writer as archive
from nanochat.training.limits import memory
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training

LOOPS = list(product(("scalar", "tensor"), SIZES))
EVERY_LOOP = pytest.mark.parametrize(("mode", "preset"), LOOPS)


def config_of(mode="tensor", preset="bigram", **training) -> RunConfig:
    training = {"steps": 4, "batch_size": 1, "eval_tokens": 16, "eval_every": 2} | training
    model, data = SIZES[preset], {"source": "builtin:verse"}
    return resolve({"preset": preset, "mode": mode, "model": model, "data": data, "training": training})


def steps_there(out: Path) -> list[int]:
    return [step_of(folder) for folder in list_checkpoints(out / "checkpoints")]


@EVERY_LOOP
def test_every_validation_but_the_first_has_its_checkpoint_before_it(mode, preset, tmp_path):
    events = []
    run_training(config_of(mode, preset), out=tmp_path, observe=events.append)
    told = [(type(event), event.step) for event in events if isinstance(event, (Saved, Evaluated))]
    assert told == [(Evaluated, 0), (Saved, 2), (Evaluated, 2), (Saved, 4), (Evaluated, 4)]


@EVERY_LOOP
@pytest.mark.parametrize("end", [Killed, MemoryError])
def test_what_kills_a_validation_costs_no_step(mode, preset, end, tmp_path, monkeypatch):
    def evaluate(*_):
        if (tmp_path / "checkpoints").is_dir():
            raise end
        return Evaluation(1.0, 1.0, 1)

    monkeypatch.setattr(run_module, "evaluate", evaluate)
    with pytest.raises(end):
        run_training(config_of(mode, preset, eval_every=0), out=tmp_path)
    folder = newest_checkpoint(tmp_path / "checkpoints")
    verify(folder)
    assert folder.name == "step-00000004"


@pytest.mark.parametrize("keep_last", [0, 1, 2, 3])
def test_there_are_never_fewer_checkpoints_than_promised(keep_last, tmp_path, monkeypatch):
    losses, n_saved, seen = iter([9.0, 1.0, 5.0, 4.0, 3.0]), 0, []
    real_write, real_prune = archive.write_checkpoint, archive.prune
    monkeypatch.setattr(run_module, "evaluate", lambda *_: Evaluation(next(losses), math.nan, 1))

    def count() -> None:
        folders = list_checkpoints(tmp_path / "checkpoints")
        for folder in folders:
            verify(folder)
        assert len(folders) >= min(keep_last or n_saved, n_saved)
        seen.append(len(folders))

    def write(*arguments):
        nonlocal n_saved
        count()
        path = real_write(*arguments)
        n_saved += 1
        count()
        return path

    def prune(*arguments, **options):
        removed = real_prune(*arguments, **options)
        count()
        return removed

    monkeypatch.setattr(archive, "write_checkpoint", write)
    monkeypatch.setattr(archive, "prune", prune)
    run_training(config_of(steps=8, checkpoint_every=1, keep_last=keep_last), out=tmp_path)
    newest = list(range(1, 9))[-keep_last:]
    assert steps_there(tmp_path) == (newest if keep_last == 0 else sorted({2, *newest}))  # step 2 is the best
    assert max(seen) == (8 if keep_last == 0 else keep_last + 2)


def test_the_best_of_those_there_stays_where_the_very_best_was_never_saved(tmp_path, monkeypatch):
    losses = iter([1.0, 2.0, 3.0, 4.0, 5.0])
    monkeypatch.setattr(run_module, "evaluate", lambda *_: Evaluation(next(losses), 1.0, 1))
    run_training(config_of(steps=8, keep_last=1), out=tmp_path)
    assert steps_there(tmp_path) == [2, 8]


@EVERY_LOOP
@pytest.mark.parametrize("limit", ["max_loss", "max_gradient", "max_weight"])
def test_what_explodes_is_stopped_in_every_loop(mode, preset, limit):
    config = config_of(mode, preset, steps=2, **{limit: 1e-6})
    record = run_training(config)
    assert (record.status, record.steps) == ("diverged", 0)
    assert f"training.{limit}=1e-06" in record.reason
    assert any(f"{name}" in record.reason for name in config.model.parameters())
    result = run_cell(Cell("one", config))
    assert (result.record.status, result.record.reason) == ("diverged", record.reason)


@EVERY_LOOP
def test_memory_is_predicted_and_watched_in_every_loop(mode, preset, tmp_path, monkeypatch):
    config = config_of(mode, preset, steps=20, eval_every=0)
    sizes = iter([100, 1000, 100, 1000])
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "resident_bytes", lambda: next(sizes))
        with pytest.raises(GuardError, match="memory grew"):
            run_training(config, out=tmp_path)
        assert run_cell(Cell("one", config)).record.status == "refused"
    assert newest_checkpoint(tmp_path / "checkpoints").name == "step-00000017"
    monkeypatch.setattr(memory, "available_bytes", lambda: 1 << 20)
    with pytest.raises(GuardError, match="would need about"):
        run_training(config)
    assert run_cell(Cell("one", config)).record.status == "refused"
