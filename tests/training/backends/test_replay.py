"""A model that is replayed: traced once a shape, in bounded memory, equal to the engine's."""

import gc
from dataclasses import replace

import numpy as np
import pytest

from nanochat.data.batches import Batch
from nanochat.engine.module import shape_of
from nanochat.models.base import logits_array
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.training.backends import replay
from nanochat.training.backends.replay import Programs, Replayed, Shape, rows_of

SMALL = GPTConfig(vocab_size=5, block_size=8, n_embd=4, n_head=2)


@pytest.fixture
def model() -> Replayed:
    return replayed(SMALL)


def replayed(config) -> Replayed:
    model, rng = build_model(config, "scalar"), np.random.default_rng(1)
    model.load_state_dict({name: rng.normal(0, 0.5, p.shape) for name, p in config.parameters().items()})
    return Replayed(model)


def test_padding_is_no_part_of_a_shape_and_segments_are_numbered_from_0():
    batch = Batch(
        np.array([[1, 2, 0, 0], [1, 2, 3, 4], [0, 0, 0, 0]]),
        np.array([[2, 3, -1, -1], [-1, 3, -1, 4], [-1, -1, -1, -1]]),
        np.array([[7, 7, 7, 7], [7, 9, 9, 7], [0, 0, 0, 0]]),
    )
    first, second = rows_of(batch)
    assert first == (Shape(2, (0, 1), ()), [1, 2, 2, 3])
    assert second == (Shape(4, (1, 3), (0, 1, 1, 0)), [1, 2, 3, 4, 3, 4])


def test_weights_are_those_of_the_model_by_name_and_shape(model):
    engine = model.engine.state_dict()
    assert {name: shape_of(value) for name, value in engine.items()} == {
        name: value.shape for name, value in model.state_dict().items()
    }
    assert all(np.array_equal(model.state_dict()[name], engine[name]) for name in engine)


@pytest.mark.parametrize("T", [1, 3, 8])
@pytest.mark.parametrize("B", [1, 2, 17])
@pytest.mark.parametrize("config", [SMALL, BigramConfig(vocab_size=5)], ids=["gpt", "bigram"])
def test_logits_of_any_number_of_rows_are_those_of_the_engine(config, B, T):
    model, ids = replayed(config), np.random.default_rng(2).integers(0, 5, (B, T))
    expected = logits_array(model.engine, ids)
    np.testing.assert_allclose(model.predict(ids), expected, atol=1e-12)  # sums in another order


def test_logits_of_no_rows_are_none_and_ids_that_are_no_tokens_are_refused(model):
    assert model.predict(np.zeros((0, 3), int)).shape == (0, 3, 5)
    with pytest.raises(TypeError, match="Cannot cast"):
        model.predict(np.array([[1.7]]))
    for index in (5, -1):
        with pytest.raises(IndexError, match="out of bounds"):
            model.predict(np.array([[index]]))


def test_an_optimizer_may_replace_arrays(model):
    """Programs copy weights in and gradients out: no array of the model is one of theirs."""
    shape = Shape(3, (0, 1, 2), ())
    rows = [replay.Row(shape, [0, 1, 2, 3, 4, 0])]
    before = model.replay(rows, [1.0])
    for weight in model.weights.values():
        weight.data, weight.grad = weight.data + 0.1, None
    after = model.replay(rows, [1.0])
    assert after != before
    loss = model.loss([[0, 1, 2]], [[3, 4, 0]])
    assert after == pytest.approx(loss.data, abs=1e-12)
    loss.backward()
    expected = np.array([[x.grad for x in row] for row in dict(model.engine.named_parameters())["wte.weight"]])
    np.testing.assert_allclose(model.weights["wte.weight"].grad, expected, atol=1e-12)


def test_a_shape_is_traced_once_in_a_process_whoever_asks(monkeypatch):
    monkeypatch.setattr(replay, "PROGRAMS", Programs())
    ids = np.zeros((1, 3), int)
    for _ in range(2):
        model = replayed(SMALL)
        for _ in range(3):
            model.predict(ids)
    assert replay.PROGRAMS.n_traced == 1
    replayed(replace(SMALL, n_layer=2)).predict(ids)
    assert replay.PROGRAMS.n_traced == 2


def test_a_trace_leaves_nothing_to_a_collector_that_is_paused(model):
    """Runs pause it: a cycle would keep each traced graph for ever."""
    gc.collect()
    gc.disable()
    try:
        model.predict(np.zeros((1, 7), int))
        replay.trace_loss(build_model(SMALL, "scalar"), Shape(2, (0, 1), ()), 1)
        assert gc.collect() < 100
    finally:
        gc.enable()


class Sized:
    def __init__(self, n_bytes: int) -> None:
        self.n_bytes = n_bytes


def test_the_programs_used_last_stay_within_the_memory_there_is_for_them(monkeypatch):
    monkeypatch.setattr(replay, "MOST_BYTES", 100)
    programs = Programs()

    def get(name: str, n_bytes: int = 0) -> Sized:
        return programs.get(name, lambda: Sized(n_bytes))

    a = get("a", 40)
    get("b", 40)
    assert get("a") is a
    get("c", 40)  # b was used longest ago
    assert list(programs.kept) == ["a", "c"]
    get("large", 500)
    assert list(programs.kept) == ["large"], "the one at work stays, however large"
    get("d", 10)
    assert list(programs.kept) == ["d"]
