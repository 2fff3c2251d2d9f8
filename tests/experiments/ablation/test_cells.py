import math
from dataclasses import replace
from pathlib import Path

import pytest

from nanochat.errors import DataError, GuardError
from nanochat.experiments.ablation import cells
from nanochat.experiments.ablation.cells import run_cell
from nanochat.experiments.ablation.sweep import run_ablation
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.flops import flops_per_token
from nanochat.models.gpt.config import GPTConfig


@pytest.fixture
def cell(tiny_study):
    return tiny_study.cells()[0]


def test_a_cell_is_measured(cell):
    result = run_cell(cell)
    measured = result.measured
    assert result.is_ok
    assert result.is_finished
    assert measured.wall_s > 0
    assert measured.cpu_s > 0
    assert measured.peak_memory_bytes > 10e6
    assert measured.tokens == 6 * 16
    assert measured.flops_per_token == 6 * 25  # five characters, tied
    assert measured.train_flops == 6 * 25 * 6 * 16
    assert 0 < measured.grad_norm_mean <= measured.grad_norm_max
    assert measured.clipped_share == 0


def test_the_loss_on_the_way_is_that_of_the_last_validation_shortly_before(cell):
    result = run_cell(cell)
    by_step = {point.step: point.loss for point in result.validations}
    assert [result.loss_at(share) for share in (0.5, 0.75, 1.0)] == [by_step[s] for s in (2, 4, 6)]
    assert math.isnan(result.loss_at(0.25)), "the first weights are not the loss after a quarter of the run"


@pytest.mark.parametrize(
    ("error", "status"),
    [(GuardError("too much memory"), "refused"), (DataError("no text"), "failed"), (MemoryError(), "refused")],
)
def test_what_ends_a_cell_is_its_reason_and_the_others_go_on(tiny_study, tmp_path, monkeypatch, error, status):
    def refuse(config, **_):
        if config.model.tie_lm_head and config.seed == 5:
            raise error
        return run_training(config, **_)

    run_training = cells.run_training
    monkeypatch.setattr(cells, "run_training", refuse)
    study = run_ablation(tiny_study, tmp_path)
    records = [result.record for result in study.results]
    assert [record.status for record in records] == [status, "ok", status, "ok", "ok", "ok", "ok", "ok"]
    assert records[0].reason == (str(error) or "not enough memory")
    assert math.isnan(records[0].val_loss)

    monkeypatch.setattr(cells, "run_training", run_training)
    again = run_ablation(tiny_study, tmp_path)
    assert [result.record.status for result in again.results] == ["ok"] * 8


def test_text_that_is_not_there_ends_the_study_at_once(tiny_study, tmp_path):
    base = replace(tiny_study.base, data=replace(tiny_study.base.data, source=str(tmp_path / "none.txt")))
    with pytest.raises(DataError, match=r"none\.txt"):
        run_ablation(replace(tiny_study, base=base), tmp_path / "study")


def _peak_after(forget):
    """Megabytes by which the peak falls when 80 of them are let go and `forget` is called."""
    big = bytearray(80_000_000)
    before = cells.peak_bytes()
    del big
    forget()
    return (before - cells.peak_bytes()) / 1e6


def test_the_peak_of_memory_is_that_of_the_cell_and_not_of_the_process():
    clear = Path("/proc/self/clear_refs")
    if not clear.exists() or _peak_after(lambda: clear.write_text("5", encoding="ascii")) < 40:
        pytest.skip("this system does not forget a peak")
    assert _peak_after(cells.forget_peak) > 40


def test_operations_of_the_models():
    assert flops_per_token(BigramConfig(vocab_size=10)) == 600
    assert flops_per_token(BigramConfig(vocab_size=10, tie_lm_head=False)) == 600  # the table is looked up
    config = GPTConfig(vocab_size=10, n_embd=8, n_head=2, block_size=4)
    weights = 8 * 24 + 8 * 8 + 2 * 8 * 32 + 10 * 8
    assert flops_per_token(config) == 6 * weights + 12 * 8 * 4
    assert flops_per_token(replace(config, tie_lm_head=False)) == flops_per_token(config)
    assert flops_per_token(replace(config, window=2)) == 6 * weights + 12 * 8 * 2
    assert flops_per_token(replace(config, norm_gain=True, mlp_bias=True)) == flops_per_token(config)


def test_what_the_data_of_all_cells_deserves_saying_is_not_said_by_each(cell):
    data = replace(cell.config.data, source="builtin:facts", tokenizer="word", vocab_size=16)  # most words are unknown
    assert run_cell(replace(cell, config=replace(cell.config, data=data))).is_ok
