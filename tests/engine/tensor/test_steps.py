"""Steps that are replayed are those of the graph, to the bit, whatever comes between them; the others say why not."""

from __future__ import annotations

import random
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nanochat.data.batches import Batch
from nanochat.engine.module import Module
from nanochat.engine.tensor import functional as F
from nanochat.engine.tensor import nn, steps
from nanochat.engine.tensor.optim import AdamW
from nanochat.engine.tensor.replicas import Accumulator
from nanochat.errors import NanochatWarning
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.models.presets import PRESETS

sys.path.append(str(Path(__file__).parents[2] / "reliability"))
from random_configs import draw_config

SMALL = GPTConfig(vocab_size=11, block_size=8, n_layer=2, n_head=2, n_embd=8)


def build(config=SMALL, dtype="float32", seed=0):
    model = build_model(config, "tensor", dtype, np.random.default_rng(5))
    model.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(seed)))
    return model


def batch(i, B=3, T=8, V=11, ignored=0.0, segments=None):
    rng = np.random.default_rng(i)
    inputs, targets = rng.integers(0, V, (2, B, T))
    return Batch(inputs, np.where(rng.random((B, T)) < ignored, -1, targets), segments)


def train(model, batches, monkeypatch=None, lr=0.05):
    """Losses and weights of some steps; with monkeypatch by graphs alone. Each item is one batch or several."""
    if monkeypatch is not None:
        monkeypatch.setattr(steps, "MOST_SHAPES", 0)
    optimizer, accumulator = AdamW(model.named_parameters(), max_grad_norm=1.0), Accumulator(model, repeats=True)
    losses = []
    for parts in batches:
        losses.append(accumulator.backward(parts if isinstance(parts, list) else [parts]))
        optimizer.clip_gradients()
        optimizer.step(lr)
    return losses, optimizer.flat.data, accumulator


def assert_same(make, batches, monkeypatch, n_shapes=None, **options):
    losses, weights, accumulator = train(make(), batches, **options)
    with monkeypatch.context() as patch:
        expected, graph, _ = train(make(), batches, patch, **options)
    np.testing.assert_array_equal(losses, expected)
    np.testing.assert_array_equal(weights, graph)
    if n_shapes is not None:
        assert accumulator.n_replayed == n_shapes
    return accumulator


def draw(i):
    """Trial i: any architecture, either precision, one batch a step or two, some with ignored targets and segments."""
    r, rng = random.Random(f"tensor replay {i}"), np.random.default_rng([11, i])
    config = draw_config(r, is_small=True)
    config = replace(config, dropout=0.1) if r.random() < 0.2 else config
    B, T = r.choice((1, 2, 3, 7)), r.randint(1, config.block_size)
    ignored, n_parts = r.choice((0.0, 0.0, 0.4)), r.choice((1, 1, 2))
    segments = r.choice((None, None, np.sort(rng.integers(0, 3, (B, T)), 1)))
    dtype = r.choice(("float32", "float32", "float64"))
    made = [
        [batch([i, step, part], B, T, config.vocab_size, ignored, segments) for part in range(n_parts)]
        for step in range(6)
    ]
    return config, dtype, made


def assert_a_trial_is_replayed(i, monkeypatch):
    config, dtype, made = draw(i)
    with np.errstate(all="ignore"):
        accumulator = assert_same(lambda: build(config, dtype, i), made, monkeypatch)
    assert accumulator.n_replayed, accumulator.refused


@pytest.mark.parametrize("i", range(30))
def test_a_random_configuration_is_replayed_to_the_bit(i, monkeypatch):
    assert_a_trial_is_replayed(i, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("i", range(30, 200))
def test_more_random_configurations_are_replayed_to_the_bit(i, monkeypatch):
    assert_a_trial_is_replayed(i, monkeypatch)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("B", "T"), [(1, 1), (1, 8), (0, 8), (3, 5)])
def test_batches_of_any_size_are_replayed(B, T, dtype, monkeypatch):
    assert_same(lambda: build(dtype=dtype), [batch(i, B, T) for i in range(5)], monkeypatch, n_shapes=1)


def test_shapes_may_alternate(monkeypatch):
    made = [batch(i, *((3, 8), (2, 8), (3, 5))[i % 3]) for i in range(12)]

    assert_same(build, made, monkeypatch, n_shapes=3)


def test_a_shape_that_comes_once_is_not_recorded():
    _, _, accumulator = train(build(), [batch(i, T=i + 1) for i in range(8)])

    assert accumulator.n_replayed == 0


@pytest.mark.parametrize(("most", "n_replayed"), [(4, 0), (5, 5)])
def test_a_run_of_too_many_shapes_goes_by_graphs_alone(most, n_replayed, monkeypatch):
    monkeypatch.setattr(steps, "MOST_SHAPES", most)
    _, _, accumulator = train(build(), [batch(i, T=5 - i % 5) for i in range(25)])

    assert accumulator.n_replayed == n_replayed
    assert not accumulator.refused


def test_all_replays_share_the_memory_of_the_largest():
    made = [batch(i, T=1 + i % 8) for i in range(80)]
    _, _, accumulator = train(build(), made)

    known = accumulator._team[0].steps._known.values()
    assert accumulator.n_replayed == 8
    assert len({id(step.replay.memory) for step in known}) == 1


def test_a_model_that_says_nothing_of_itself_is_never_recorded():
    accumulator = Accumulator(Odd(counts))
    losses = [accumulator.backward([Batch(np.array([[0, 1]]), np.array([[0, 0]]))]) for _ in range(6)]

    assert losses == [9.0 * n for n in range(1, 7)]
    assert accumulator.n_replayed == 0
    assert not accumulator.refused


@pytest.mark.parametrize("name", ["upstream-d2", "nanochat-tiny", "rustgpt", "bigram"])
@pytest.mark.parametrize("with_segments", [False, True])
def test_every_kind_of_model_is_replayed_with_segments_and_without(name, with_segments, monkeypatch):
    config = replace(PRESETS[name].model, vocab_size=11, block_size=8)
    made = [batch(i, segments=np.sort(np.arange(24).reshape(3, 8) % 3, 1) if with_segments else None) for i in range(5)]

    assert_same(lambda: build(config), made, monkeypatch, n_shapes=1)


def test_segments_and_ignored_targets_come_and_go(monkeypatch):
    segments = np.repeat([[0, 0, 0, 1, 1, 2, 2, 2]], 3, 0)
    others = np.repeat([[0, 1, 1, 1, 1, 1, 1, 2]], 3, 0)
    made = [batch(i, ignored=(0.0, 0.5, 1.0)[i % 3], segments=(None, segments, None, others)[i % 4]) for i in range(12)]

    assert_same(build, made, monkeypatch, n_shapes=2)


@pytest.mark.parametrize("size", [1e3, 1e20, np.inf, np.nan])
def test_what_may_overflow_is_guarded_at_each_step(size, monkeypatch):
    """The weights grow while a run is replayed: logits of all sizes, infinity and nan come out as they do by graphs."""

    def losses(patch):
        if patch is not None:
            patch.setattr(steps, "MOST_SHAPES", 0)
        model = build()
        accumulator, found = Accumulator(model, repeats=True), []
        for i in range(8):
            found.append(accumulator.backward([batch(i)]))
            found += [parameter.grad.copy() for parameter in model.parameters()]
            if i == 4:
                model.wte.weight.data *= size
        return found

    with monkeypatch.context() as patch:
        expected = losses(patch)
    for a, b in zip(losses(None), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_bad_token_is_named_in_a_replay_and_costs_nothing(monkeypatch):
    model = build()
    accumulator = Accumulator(model, repeats=True)
    for i in range(4):
        accumulator.backward([batch(i)])
    assert accumulator.n_replayed == 1

    bad = batch(5)
    bad.inputs[0, 0] = -1
    with pytest.raises(IndexError, match="id -1 is negative"):
        accumulator.backward([bad])
    bad = batch(5)
    bad.targets[0, 0] = 11
    with pytest.raises(IndexError, match="target 11 is no class: give 0 to 10, or -1"):
        accumulator.backward([bad])

    assert accumulator.backward([batch(6)]) == pytest.approx(float(model.loss(*batch(6)).data), abs=0)


def test_a_bad_batch_does_not_keep_the_next_from_being_recorded():
    accumulator = Accumulator(build(), repeats=True)
    accumulator.backward([batch(0)])
    bad = batch(1)
    bad.inputs[0, 0] = -1
    with pytest.raises(IndexError, match="id -1 is negative"):
        accumulator.backward([bad])

    accumulator.backward([batch(2)])
    accumulator.backward([batch(3)])
    assert accumulator.n_replayed == 1


def test_tokens_may_lie_in_a_file(tmp_path):
    made = [batch(i) for i in range(5)]
    mapped = []
    for i, b in enumerate(made):
        parts = []
        for name, part in zip("xy", b[:2], strict=True):
            part.tofile(tmp_path / f"{name}{i}")
            parts.append(np.memmap(tmp_path / f"{name}{i}", part.dtype, "r", shape=part.shape))
        mapped.append(Batch(*parts))

    model = build()
    assert model.loss(*mapped[0][:2]).data == model.loss(*made[0][:2]).data
    assert train(build(), mapped)[0] == train(build(), made)[0]


def test_weights_that_move_elsewhere_are_followed(monkeypatch):
    def run(patch):
        if patch is not None:
            patch.setattr(steps, "MOST_SHAPES", 0)
        model = build()
        accumulator = Accumulator(model, repeats=True)
        for i in range(4):
            accumulator.backward([batch(i)])
        optimizer = AdamW(model.named_parameters())  # which lays them out anew
        found = []
        for i in range(5):
            found.append(accumulator.backward([batch(i)]))
            optimizer.step(0.1)
        return found

    with monkeypatch.context() as patch:
        expected = run(patch)
    assert run(None) == expected


def test_a_config_that_is_exchanged_is_followed():
    model = build()
    accumulator = Accumulator(model, repeats=True)
    for i in range(4):
        accumulator.backward([batch(i)])

    model.config = replace(SMALL, label_smoothing=0.3)

    assert accumulator.backward([batch(5)]) == float(model.loss(*batch(5)).data)
    assert accumulator.n_replayed == 0


def test_a_resumed_run_has_the_bits_of_one_that_was_not_stopped():
    """Graph and replay meet at another step than before, and nobody can tell."""
    made = [batch(i) for i in range(10)]
    expected, weights, _ = train(build(), made)
    for stop in (1, 2, 3, 7):
        model = build()
        optimizer = AdamW(model.named_parameters(), max_grad_norm=1.0)
        losses = []
        for part in (made[:stop], made[stop:]):
            accumulator = Accumulator(model, repeats=True)
            for b in part:
                losses.append(accumulator.backward([b]))
                optimizer.clip_gradients()
                optimizer.step(0.05)
        assert losses == expected
        np.testing.assert_array_equal(optimizer.flat.data, weights)


class Odd(Module):
    """A model of one weight whose loss does what it is told to."""

    def __init__(self, rule, rng=None):
        self.weight, self.rule, self.rng = nn.parameter(3, 3), rule, rng
        self.weight.data += np.arange(1, 4)[:, None]

    def loss(self, inputs, targets, segments=None):
        return self.rule(self, F.embedding(self.weight, ids=inputs)).sum()


def decides(model, x):
    return x * 2.0 if float(x.data.sum()) > 0 else x


def draws(model, x):
    return x * model.rng.standard_normal(3).astype(np.float32)


def counts(model, x):
    model.n = getattr(model, "n", 0) + 1
    return x * float(model.n)


def remembers(model, x):
    """In what is neither a Module nor a number."""
    MEMORY["n"] = MEMORY.get("n", 0) + 1
    return x * float(MEMORY["n"])


def writes_elsewhere(model, x):
    m = np.empty(3, np.float32)
    np.mean(x.data, (0, 1), out=m)
    return x * m


def picks(model, x):
    return x * np.sum(x.data[x.data[..., 0] > 2], 0)


MEMORY = {}


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (decides, "a number of Python is made of an array of the step, ()"),
        (remembers, "a replay gives other numbers"),
        (writes_elsewhere, "that was made without like="),
        (picks, "of the numbers of one step"),
        (draws, "a replay gives other numbers"),
        (counts, "the model changes as it computes"),
        (lambda model, x: x * np.asarray(x.data), "is read otherwise than by functions and operators"),
    ],
)
def test_what_cannot_be_replayed_says_so_once_and_is_right(rule, why):
    made = [Batch(np.array([[i % 3, 1]]), np.array([[0, 0]])) for i in range(6)]
    model, twin = Odd(rule, np.random.default_rng(0)), Odd(rule, np.random.default_rng(0))
    accumulator, by_graph = Accumulator(model, repeats=True), Accumulator(twin, repeats=True)
    MEMORY.clear()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        losses = [accumulator.backward([b]) for b in made]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "MOST_SHAPES", 0)
        MEMORY.clear()
        expected = [by_graph.backward([b]) for b in made]

    assert losses == expected
    assert [w.category for w in told] == [NanochatWarning]
    assert why in str(told[0].message)
    assert accumulator.n_replayed == 0


def test_dropout_draws_anew_at_each_replay(monkeypatch):
    same = batch(1)
    accumulator = assert_same(lambda: build(replace(SMALL, dropout=0.3)), [same] * 6, monkeypatch, n_shapes=1, lr=0.0)
    found = {accumulator.backward([same]) for _ in range(5)}
    assert len(found) == 5


def test_memory_that_was_given_back_is_taken_again():
    model, made = build(), [batch(i) for i in range(8)]
    accumulator = Accumulator(model, repeats=True)
    expected = [Accumulator(model, repeats=True).backward([b]) for b in made]
    losses = []
    for b in made:
        losses.append(accumulator.backward([b]))
        accumulator.rest()
        assert np.isfinite(model.wte.weight.grad).all()
    assert losses == expected


def test_a_run_that_rests_takes_nothing_from_another_at_work():
    """Cells of a study may share a process: each gives back its own memory alone."""
    models = [build(seed=i) for i in range(2)]
    one, other = [Accumulator(model, repeats=True) for model in models]
    for i in range(4):
        one.backward([batch(i)])
        other.backward([batch(i)])
    memory = next(iter(other._team[0].steps._known.values())).replay.memory
    held = memory.copy()
    one.rest()
    np.testing.assert_array_equal(memory, held)
    assert held.any()


def test_threads_replay_as_one_does():
    losses = []
    for n_threads in (1, 2):
        model = build(replace(SMALL, dropout=0.2))
        accumulator = Accumulator(model, n_threads, repeats=True)
        losses.append([accumulator.backward([batch(i), batch(i + 50)]) for i in range(6)])
        assert accumulator.n_replayed == n_threads
        accumulator.close()
    assert losses[0] == losses[1]
