"""Arrays on the cores of a session: optimizers and evaluations are the same numbers on one as on two."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from nanochat.data.batches import Batch
from nanochat.engine.tensor.replicas.forked import is_shared
from nanochat.machine import can_fork
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.training.backends import numpy as backend_module
from nanochat.training.backends.numpy import NumpyBackend
from nanochat.training.evaluate import evaluate
from nanochat.training.hyperparameters import TrainingConfig


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "muon", "nanochat"])
def test_an_optimizer_is_the_same_where_processes_share_its_vectors(monkeypatch, name):
    config = GPTConfig(vocab_size=11, block_size=8, n_layer=1, n_head=2, n_embd=8)
    settings = TrainingConfig(optimizer=name, momentum=0.9, weight_decay=0.1, batch_size=2, replicas=2)
    first = draw_weights(config.parameters(), np.random.default_rng(0))

    def build():
        model = build_model(config, "tensor")
        model.load_state_dict(first)
        return model, NumpyBackend().optimizer(model, settings)

    def steps(optimizer, seeds):
        for seed in seeds:
            optimizer.flat.grad[:] = np.random.default_rng(seed).standard_normal(optimizer.flat.grad.size)
            optimizer.step(0.01)

    found = []
    for n in (1, 2):
        monkeypatch.setattr(backend_module, "threads", lambda n=n: n)
        model, optimizer = build()
        assert all(is_shared(parameter.data) == (n == 2 and can_fork()) for parameter in model.parameters())
        steps(optimizer, (1, 2))
        resumed, goes_on = build()
        resumed.load_state_dict(model.state_dict())
        goes_on.load_state_dict(optimizer.state_dict())
        steps(optimizer, (3,))
        steps(goes_on, (3,))
        np.testing.assert_equal(goes_on.state_dict(), optimizer.state_dict())
        np.testing.assert_array_equal(goes_on.flat.data, optimizer.flat.data)
        found.append(model.state_dict())
    np.testing.assert_equal(found[0], found[1])


def test_an_evaluation_is_the_same_on_two_threads(monkeypatch):
    config = GPTConfig(vocab_size=11, block_size=8, n_layer=1, n_head=2, n_embd=8)
    model, rng = build_model(config, "tensor"), np.random.default_rng(0)
    batches = [Batch(*rng.integers(0, 11, (2, 3, 8))) for _ in range(9)]
    found = []
    for n in (1, 2):
        monkeypatch.setattr(backend_module, "threads", lambda n=n: n)
        backend = NumpyBackend()
        with backend.session(), backend.paused():
            found.append(evaluate(model, batches, np.ones(11, int), backend.map))
    assert found[0] == found[1]
    assert found[0] == evaluate(model, batches, np.ones(11, int))


def in_a_session(monkeypatch, function, items, n=2):
    monkeypatch.setattr(backend_module, "threads", lambda: n)
    backend = NumpyBackend()
    with backend.session():
        yield from backend.map(function, items)


def test_results_come_in_order_and_from_other_threads(monkeypatch):
    seen = set()

    def work(i):
        seen.add(threading.current_thread().name)
        return np.array(i)

    assert [int(x) for x in in_a_session(monkeypatch, work, range(50))] == list(range(50))
    assert threading.main_thread().name not in seen


def test_no_more_is_taken_than_the_threads_are_busy_with(monkeypatch):
    taken = []

    def items():
        for i in range(100):
            taken.append(i)
            yield i

    results = in_a_session(monkeypatch, np.array, items())
    next(results)
    assert len(taken) <= 3
    results.close()
    assert len(taken) <= 3


def test_an_error_is_raised_where_it_would_be_by_map(monkeypatch):
    def work(i):
        if i == 3:
            raise ValueError("the fourth")
        return np.array(i)

    results = in_a_session(monkeypatch, work, range(100))
    assert [int(next(results)) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the fourth"):
        next(results)
