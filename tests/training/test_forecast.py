"""How long a run takes is told from real steps of it."""

from itertools import count
from types import SimpleNamespace

import pytest

from nanochat.training import forecast as forecast_module
from nanochat.training.forecast import forecast
from nanochat.training.prepare import prepare
from nanochat.training.resolve import resolve


def session(mode="tensor", **training):
    training = {"steps": 12, "batch_size": 4, "eval_tokens": 64, **training}
    settings = {"preset": "microgpt", "mode": mode, "data": {"source": "builtin:verse"}, "training": training}
    return prepare(resolve(settings))


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
def test_it_runs_real_steps_and_extrapolates(mode, monkeypatch):
    """A clock that ticks once each time it is read: a step takes one second, a batch of the validation another."""
    monkeypatch.setattr(forecast_module, "time", SimpleNamespace(perf_counter=count().__next__))
    monkeypatch.setattr(forecast_module, "_BUDGET_S", 1000.0)
    short = {"steps": 3, "batch_size": 2, "eval_tokens": 32, "eval_every": 0}
    expected = forecast(session(mode, **short))
    n_batches = len(list(session(mode, **short).validation()))
    assert expected.calibration_steps == 3
    assert expected.tokens_per_step == 2 * 16
    assert expected.seconds == 3 * 1 + 2 * n_batches


def test_time_grows_with_steps_and_evaluations(monkeypatch):
    monkeypatch.setattr(forecast_module, "_time_steps", lambda session: (2.0, 5, 64))
    monkeypatch.setattr(forecast_module, "_time_evaluation", lambda session: 10.0)
    assert forecast(session(steps=0)).seconds == 10
    assert forecast(session(steps=12, eval_every=0)).seconds == 24 + 20
    assert forecast(session(steps=12, eval_every=4)).seconds == 24 + 40  # before, after 4, 8 and 12
    assert forecast(session(steps=100, eval_every=0)).seconds == 200 + 20


def test_a_step_too_long_to_wait_for_is_judged_by_one_row(monkeypatch):
    monkeypatch.setattr(forecast_module, "_BUDGET_S", 0.0)
    expected = forecast(session())
    assert expected.calibration_steps == 0
    assert expected.seconds > 0


def test_a_run_that_diverges_at_once_has_a_time_all_the_same():
    expected = forecast(session(optimizer="sgd", lr=1e300, max_grad_norm=0.0))
    assert expected.seconds > 0
