"""K replicas are K-fold accumulation, bit for bit; here in threads (test_forked.py: in processes)."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from nanochat.engine.module import Module
from nanochat.engine.tensor import functional as F
from nanochat.engine.tensor import nn
from nanochat.engine.tensor.optim import AdamW
from nanochat.engine.tensor.replicas import Accumulator


class Tied(Module):
    """A small model whose head is its embedding, with dropout"""

    def __init__(self, p=0.0):
        self.wte = nn.Embedding(11, 8)
        self.layers = [nn.Linear(8, 24, bias=True), nn.Linear(8, 8)]
        self.norm = nn.LayerNorm(8)
        self.drop = nn.Dropout(p, np.random.default_rng(3))
        self.head = self.wte
        rng = np.random.default_rng(0)
        self.load_state_dict({k: rng.standard_normal(v.shape) for k, v in self.state_dict().items()})

    def loss(self, inputs, targets, segments=None):
        x = self.norm(self.drop(self.wte(inputs)))
        x = self.layers[1](F.self_attention(self.layers[0](x), n_head=2, segments=segments)) + x
        return F.cross_entropy(F.linear(self.drop(x), self.head.weight), targets=targets)


def batches(n, seed=0):
    """(inputs, targets) with more and more targets ignored"""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        inputs, targets = rng.integers(0, 11, (2, 3, 7))
        targets[:, 7 - i :] = -1
        found.append((inputs, targets))
    return found


def gradients(n_threads, n_batches, p=0.0, n_calls=2):
    model = Tied(p)
    accumulator = Accumulator(model, n_threads)
    losses = [accumulator.backward(batches(n_batches, call)) for call in range(n_calls)]
    accumulator.close()
    return losses, {name: tensor.grad for name, tensor in model.named_parameters()}


@pytest.mark.parametrize("p", [0.0, 0.3])
@pytest.mark.parametrize(("n_threads", "n_batches"), [(2, 2), (2, 5), (3, 4), (4, 3)])
def test_replicas_equal_accumulation_bit_for_bit(n_threads, n_batches, p):
    alone, together = gradients(1, n_batches, p), gradients(n_threads, n_batches, p)

    assert alone[0] == together[0]
    assert "head.weight" not in alone[1]  # tied: one parameter, and both uses are in its gradient
    for name, g in alone[1].items():
        np.testing.assert_array_equal(together[1][name], g)


def test_uneven_micro_batches_give_the_gradient_of_the_whole_batch():
    parts = batches(4)
    whole = tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    split, together = Tied(), Tied()

    loss = Accumulator(split).backward(parts)
    loss_whole = Accumulator(together).backward([whole])

    assert loss == pytest.approx(loss_whole, rel=1e-6)
    for (name, a), (_, b) in zip(split.named_parameters(), together.named_parameters(), strict=True):
        np.testing.assert_allclose(a.grad, b.grad, rtol=1e-4, atol=1e-5, err_msg=name)  # float32


def test_one_batch_is_plain_backward():
    model, plain = Tied(), Tied()
    batch = batches(1)[0]

    loss = Accumulator(model).backward([batch])
    expected = plain.loss(*batch)
    expected.backward()

    assert loss == float(expected)
    for a, b in zip(model.parameters(), plain.parameters(), strict=True):
        np.testing.assert_array_equal(a.grad, b.grad)


def test_replicas_see_each_step_of_an_optimizer_made_later():
    model = Tied()
    accumulator = Accumulator(model, 2)
    first = accumulator.backward(batches(2))
    optimizer = AdamW(model.named_parameters())

    for _ in range(5):
        last = accumulator.backward(batches(2))
        optimizer.clip_gradients()
        optimizer.step(0.05)

    assert last < first
    assert np.shares_memory(model.wte.weight.grad, optimizer.flat.grad)


def test_micro_batches_drop_differently_and_a_step_can_be_repeated():
    batch = batches(1)[0]

    two = gradients(1, 1, 0.5, n_calls=1)[0] + gradients(1, 1, 0.5, n_calls=1)[0]
    model = Tied(0.5)
    accumulator = Accumulator(model)
    in_a_row = [accumulator.backward([batch]) for _ in range(2)]

    assert two[0] == two[1]
    assert in_a_row[0] != in_a_row[1]


@pytest.mark.parametrize("broken", [0, 1])
def test_an_error_in_a_replica_is_raised_and_the_next_step_works(broken):
    accumulator = Accumulator(Tied(), 2)
    parts = batches(2)
    bad = list(parts)
    bad[broken] = (np.array([[99]]), np.array([[0]]))  # no such id

    with pytest.raises(IndexError):
        accumulator.backward(bad)

    assert np.isfinite(accumulator.backward(parts))


def test_a_batch_without_any_target_gives_zero():
    model = Tied()
    inputs, targets = batches(1)[0]

    assert Accumulator(model).backward([(inputs, np.full_like(targets, -1))] * 2) == 0.0
    assert not any(tensor.grad.any() for tensor in model.parameters())


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="n_workers=0"):
        Accumulator(Tied(), 0)
    with pytest.raises(ValueError, match="at least one"):
        Accumulator(Tied()).backward([])


def test_an_interrupt_as_a_thread_is_asked_costs_no_bit(monkeypatch):
    """The job may lie in the pool's queue, though nobody has what comes of it."""
    found = []
    for interrupted in (False, True):
        model = Tied()
        accumulator, optimizer = Accumulator(model, 2, repeats=True), AdamW(model.named_parameters())
        for call in range(30):
            if interrupted and call % 3 == 0:
                team = accumulator._team_of(2)
                start = team[1].start

                def interrupt(job, start=start):
                    start(job)
                    raise KeyboardInterrupt

                monkeypatch.setattr(team[1], "start", interrupt)
                with pytest.raises(KeyboardInterrupt):
                    accumulator.backward(batches(2, call))
            accumulator.backward(batches(2, call))
            optimizer.step(0.01)
        accumulator.close()
        found.append(optimizer.flat.data.copy())
        assert accumulator.refused == {}
    np.testing.assert_array_equal(*found)


def test_an_interrupt_before_a_thread_is_asked_waits_for_nobody():
    accumulator = Accumulator(Tied(), 3)
    found = []

    def interrupt(job):
        raise KeyboardInterrupt

    def step():
        with pytest.raises(KeyboardInterrupt):
            accumulator.backward(batches(3))
        found.append(accumulator.backward(batches(3)))

    accumulator._team_of(3)[1].start = interrupt
    thread = threading.Thread(target=step, daemon=True)  # which could not be ended if it waited
    thread.start()
    thread.join(60)
    assert len(found) == 1
