"""What using a model costs, and how its loss fell from epoch to epoch: as the recipe's report tells it."""

from pathlib import Path

import pytest

from nanochat.experiments.phases import report as module
from nanochat.experiments.phases.report import epoch_losses, measure_costs
from nanochat.inference.language_model import LanguageModel
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.tokenizers import CharTokenizer
from nanochat.training.folder.record import SavedRun
from nanochat.training.resolve import resolve


def run_of(losses, n_tokens, **training):
    rows = [
        {"step": step, "loss": loss, "n_tokens": n}
        for step, (loss, n) in enumerate(zip(losses, n_tokens, strict=True), start=1)
    ]
    config = resolve({"training": {"steps": len(losses), **training}})
    return SavedRun(Path("run"), config, {}, [{"step": 0, "val_loss": 9.0}, *rows], None)


def test_the_loss_of_an_epoch_is_the_mean_over_its_tokens():
    run = run_of([4.0, 2.0, 1.0, 3.0], [1, 3, 2, 2], epochs=2)
    assert epoch_losses(run) == {1: pytest.approx(2.5), 2: pytest.approx(2.0)}


def test_a_run_measured_in_steps_has_no_epochs():
    assert epoch_losses(run_of([4.0, 2.0], [1, 1])) == {}


def test_a_step_over_the_end_of_an_epoch_counts_where_it_begins():
    run = run_of([4.0, 2.0, 1.0], [1, 1, 1], epochs=2)  # one and a half steps each
    assert epoch_losses(run) == {1: 3.0, 2: 1.0}


def test_half_an_epoch_is_not_told():
    assert epoch_losses(run_of([4.0, 2.0, 1.0], [1, 1, 1], epochs=1.5)) == {1: 3.0}


def test_the_time_of_a_token_is_the_median_between_two_looks_at_the_clock(monkeypatch):
    times = iter([0.0, 0.001, 0.002, 0.012])  # the last token waited for another program
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(times))
    config = GPTConfig(vocab_size=3, block_size=4, n_embd=4, n_head=2)
    model = LanguageModel(
        build_model(config, "tensor"), CharTokenizer("ab"), config, "gpt", "tensor", stops_at_bos=True
    )
    assert measure_costs(model).ms_per_token == pytest.approx(1.0)
