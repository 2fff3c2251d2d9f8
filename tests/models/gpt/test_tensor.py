"""Laws of the transformer in arrays: its cache, types and dropout, what it sees and shares, how it stops."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat.engine.tensor import no_grad
from nanochat.engine.tensor.muon import Muon
from nanochat.engine.tensor.optim import SGD, Adam, AdamW, Optimizer
from nanochat.errors import DivergedError
from nanochat.models.base import logits_array
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.gpt.tensor import GPT
from nanochat.models.parameters import count_parameters
from nanochat.training import prepare
from nanochat.training.config import RunConfig, TrainingConfig
from nanochat.training.guards import check_gradient
from nanochat.training.run import run_training

SMALL = GPTConfig(vocab_size=7, block_size=12, n_layer=2, n_head=4, n_embd=16)
VARIANTS = {
    "plain": SMALL,
    "one head": replace(SMALL, n_head=1),
    "grouped": replace(SMALL, n_kv_head=2),
    "one key head": replace(SMALL, n_kv_head=1),
    "rope": replace(SMALL, positions="rope"),
    "sinusoidal": replace(SMALL, positions="sinusoidal"),
    "no positions": replace(SMALL, positions="none"),
    "window": replace(SMALL, window=3),
    "window of 1": replace(SMALL, window=1),
    "QK norm": replace(SMALL, qk_norm=True),
    "soft-cap": replace(SMALL, logit_softcap=3.0),
    "no projection": replace(SMALL, attn_proj=False, input_rmsnorm=True),
    "post layer norm": replace(
        SMALL, norm="layer", norm_position="post", norm_gain=True, norm_bias=True, attn_bias=True, activation="gelu"
    ),
    "dyt, swiglu": replace(SMALL, norm="dyt", norm_gain=True, activation="swiglu", final_norm=True),
    "all": replace(
        SMALL,
        n_kv_head=2,
        positions="rope",
        qk_norm=True,
        window=4,
        logit_softcap=3.0,
        tie_lm_head=False,
        head_bias=True,
    ),
}
DECODING = {np.float64: 1e-10, np.float32: 1e-5}
"""Largest difference between decoding and the full forward: products of other shapes, added in another order."""
each_variant = pytest.mark.parametrize("name", VARIANTS)
each_dtype = pytest.mark.parametrize("dtype", DECODING)


def random_model(config: GPTConfig, dtype: Any = np.float64, seed: int = 0, **options: Any) -> GPT:
    """A model whose weights are far from their first values, so that every part of it matters."""
    rng = np.random.default_rng(seed)
    model = GPT(config, dtype=dtype, **options)
    model.load_state_dict({k: rng.normal(0.0, 0.25, p.shape) + 0.5 * (p.ndim < 2) for k, p in model.named_parameters()})
    return model


def ids_of(config: GPTConfig, n_rows: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, config.vocab_size, (n_rows, config.block_size))


def decoded(model: GPT, ids: np.ndarray, cuts: list[int]) -> np.ndarray:
    """Logits of the parts between the cuts, one call each       (B, T) -> (B, T, V)"""
    cache = model.empty_cache(len(ids))
    edges = [0, *cuts, ids.shape[1]]
    parts = [ids[:, a:b] for a, b in pairwise(edges) if a < b]
    return np.concatenate([logits_array(model, part, cache) for part in parts], axis=1)


# **** decoding


@each_dtype
@each_variant
def test_decoding_token_by_token_equals_the_full_forward(name: str, dtype: Any) -> None:
    model, ids = random_model(VARIANTS[name], dtype), ids_of(SMALL)
    whole = logits_array(model, ids)
    assert np.abs(decoded(model, ids, list(range(1, 12))) - whole).max() <= DECODING[dtype]
    assert np.ptp(whole) > 0.5


@each_variant
@settings(max_examples=8)
@given(cuts=st.lists(st.integers(1, 11), max_size=5), seed=st.integers(0, 99))
def test_decoding_in_any_chunks_equals_the_full_forward(name: str, cuts: list[int], seed: int) -> None:
    model, ids = random_model(VARIANTS[name], seed=seed), ids_of(SMALL, seed=seed)
    assert np.abs(decoded(model, ids, sorted(cuts)) - logits_array(model, ids)).max() <= DECODING[np.float64]


@each_dtype
@each_variant
def test_rows_of_different_length_decode_as_if_alone(name: str, dtype: Any) -> None:
    """A cache whose rows were read one at a time goes on for all of them at once, to the last place of the longest."""
    model, ids = random_model(VARIANTS[name], dtype), ids_of(SMALL)
    n_read, n_next = [2, 7, 4], 5
    cache = model.empty_cache(3)
    for row, n in enumerate(n_read):
        alone = model.empty_cache()
        logits_array(model, ids[row : row + 1, :n], alone)
        cache.keys[:, row], cache.values[:, row] = alone.keys[:, 0], alone.values[:, 0]
    cache.set_lengths(np.array(n_read))
    following = np.stack([ids[row, n : n + n_next] for row, n in enumerate(n_read)])
    parts = [logits_array(model, following[:, a:b], cache) for a, b in ((0, 1), (1, 4), (4, 5))]
    for row, n in enumerate(n_read):
        expected = logits_array(model, ids[row : row + 1])[0, n : n + n_next]
        assert np.abs(np.concatenate(parts, axis=1)[row] - expected).max() <= DECODING[dtype]
    np.testing.assert_array_equal(cache.lengths, [7, 12, 9])


def test_a_cache_is_full_after_block_size_tokens() -> None:
    model, cache = random_model(SMALL), GPT(SMALL).empty_cache(1)
    logits_array(model, ids_of(SMALL, 1), cache)
    with pytest.raises(ValueError, match=r"13 tokens do not fit in block_size=12"):
        model.logits(np.array([[0]]), cache)


def test_reading_leaves_no_graph() -> None:
    model = random_model(SMALL)
    with no_grad():
        z = model.logits(ids_of(SMALL))
    assert not z.requires_grad


# **** what it sees and counts


@each_variant
def test_a_token_does_not_see_the_future(name: str) -> None:
    model, ids = random_model(VARIANTS[name]), ids_of(SMALL, 1)
    changed = ids.copy()
    changed[:, 6:] = (changed[:, 6:] + 1) % 7
    before, after = logits_array(model, ids), logits_array(model, changed)
    np.testing.assert_allclose(after[:, :6], before[:, :6], rtol=0, atol=1e-13)
    assert (np.abs(after[:, 6:] - before[:, 6:]).max(-1) > 1e-6).all()


@each_variant
def test_documents_packed_in_segments_are_as_if_alone(name: str) -> None:
    config = VARIANTS[name]
    if config.positions in ("learned", "sinusoidal"):
        config = replace(config, positions="none")  # places in the row would differ
    model, ids = random_model(config), ids_of(SMALL, 1)
    targets = np.roll(ids, -1)
    packed = float(model.loss(ids, targets, np.array([[5] * 4 + [9] * 8])))
    alone = [float(model.loss(ids[:, part], targets[:, part])) for part in (slice(0, 4), slice(4, 12))]
    assert packed == pytest.approx((4 * alone[0] + 8 * alone[1]) / 12, rel=1e-12)


def test_the_loss_is_the_mean_over_targets_that_count() -> None:
    model, ids = random_model(SMALL), ids_of(SMALL)
    targets = np.where(np.arange(12) % 3 == 0, -1, ids)
    z = logits_array(model, ids)
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    picked = np.take_along_axis(log_p, ids[..., None], axis=-1)[..., 0]
    assert float(model.loss(ids, targets)) == pytest.approx(-picked[targets >= 0].mean(), rel=1e-12)


# **** types


@pytest.mark.parametrize("optimizer", [SGD, Adam, AdamW, Muon])
@each_variant
def test_float32_stays_float32(name: str, optimizer: type[Optimizer]) -> None:
    model = GPT(replace(VARIANTS[name], dropout=0.1))
    ids = ids_of(SMALL)
    rule = optimizer(model.named_parameters(), weight_decay=0.1, max_grad_norm=0.01)
    loss = model.loss(ids, np.roll(ids, -1), np.zeros_like(ids))
    loss.backward()
    gradients = [p.grad.dtype for p in model.parameters() if p.grad is not None]
    rule.clip_gradients()
    rule.step(0.1)
    assert loss.dtype == model.logits(ids).dtype == logits_array(model, ids, model.empty_cache(3)).dtype == np.float32
    assert gradients == [p.dtype for p in model.parameters()] == [np.float32] * len(model.parameters())
    assert {array.dtype for array in rule.memory.values()} <= {np.dtype(np.float32)}


def test_float64_weights_survive_being_loaded_exactly() -> None:
    state = random_model(SMALL).state_dict()
    model = GPT(SMALL, dtype=np.float64)
    model.load_state_dict(state)
    assert all((model.state_dict()[name] == array).all() for name, array in state.items())


# **** dropout


def dropped(seed: int, p: float = 0.5) -> GPT:
    return random_model(replace(SMALL, dropout=p), dropout_rng=np.random.default_rng(seed))


def test_dropout_acts_in_the_loss_and_not_in_logits() -> None:
    ids = ids_of(SMALL)
    model, without = dropped(1), random_model(SMALL)
    assert float(model.loss(ids, ids)) != float(without.loss(ids, ids))
    np.testing.assert_array_equal(logits_array(model, ids), logits_array(without, ids))
    np.testing.assert_array_equal(decoded(model, ids, [3]), decoded(without, ids, [3]))


def test_dropout_comes_from_its_stream_alone() -> None:
    ids = ids_of(SMALL)

    def curve(seed: int) -> list[float]:
        model = dropped(seed)
        return [float(model.loss(ids, ids)) for _ in range(3)]

    assert curve(1) == curve(1)
    assert curve(1) != curve(2)
    assert len(set(curve(1))) == 3


def test_dropout_of_0_draws_nothing() -> None:
    rng = np.random.default_rng(4)
    model = random_model(SMALL, dropout_rng=rng)
    model.loss(ids_of(SMALL), ids_of(SMALL)).backward()
    assert rng.random() == np.random.default_rng(4).random()


def test_dropout_keeps_the_mean_loss_near() -> None:
    ids, model = ids_of(SMALL), dropped(0, p=0.05)
    losses = [float(model.loss(ids, ids)) for _ in range(200)]
    assert np.mean(losses) == pytest.approx(float(random_model(SMALL).loss(ids, ids)), rel=0.1)


# **** tied weights


def test_tied_weights_are_counted_and_named_once() -> None:
    tied, untied = GPT(SMALL), GPT(replace(SMALL, tie_lm_head=False))
    assert untied.n_parameters() - tied.n_parameters() == 7 * 16
    assert tied.n_parameters() == count_parameters(SMALL.parameters())
    assert "lm_head.weight" not in tied.state_dict()
    assert "lm_head.weight" in untied.state_dict()


def test_a_tied_weight_gets_both_gradients_and_one_step() -> None:
    tied = random_model(SMALL)
    untied = GPT(replace(SMALL, tie_lm_head=False), dtype=np.float64)
    untied.load_state_dict({**tied.state_dict(), "lm_head.weight": tied.wte.weight.data})
    ids = ids_of(SMALL)
    before = tied.wte.weight.data.copy()
    optimizer = SGD(tied.named_parameters())
    for model in (tied, untied):
        model.loss(ids, np.roll(ids, -1)).backward()
    assert untied.lm_head is not None
    both = untied.wte.weight.grad + untied.lm_head.weight.grad
    np.testing.assert_allclose(tied.wte.weight.grad, both, rtol=0, atol=1e-14)
    optimizer.step(0.1)
    np.testing.assert_allclose(tied.wte.weight.data, before - 0.1 * both, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(tied.state_dict()["wte.weight"], tied.wte.weight.data)


# **** sizes


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ({"block_size": 1}, (2, 1)),
        ({"vocab_size": 1}, (2, 12)),
        ({}, (2, 1)),
        ({}, (1, 12)),
        ({"n_head": 1, "n_embd": 1, "mlp_width": 1, "norm": "layer"}, (2, 12)),
        ({"n_layer": 12}, (1, 12)),
    ],
)
def test_the_smallest_sizes_work(sizes: dict[str, Any], shape: tuple[int, int]) -> None:
    model = random_model(replace(SMALL, **sizes))
    ids = np.zeros(shape, dtype=int)
    loss = model.loss(ids, ids)
    loss.backward()
    assert np.isfinite(float(loss))
    assert all(np.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert np.abs(decoded(model, ids, [1]) - logits_array(model, ids)).max() <= 1e-10
    if sizes.get("vocab_size") == 1:
        assert float(loss) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("shape", [(0, 12), (2, 0)])
def test_an_empty_batch_is_a_loss_of_0_that_pulls_at_nothing(shape: tuple[int, int]) -> None:
    model, ids = random_model(SMALL), np.zeros(shape, dtype=int)
    loss = model.loss(ids, ids)
    loss.backward()
    assert float(loss) == 0.0
    assert all(not p.grad.any() for p in model.parameters() if p.grad is not None)


def test_shapes_that_do_not_fit_name_both() -> None:
    model = random_model(SMALL)
    with pytest.raises(ValueError, match=r"13 tokens do not fit in block_size=12"):
        model.loss(np.zeros((1, 13), int), np.zeros((1, 13), int))
    with pytest.raises(ValueError, match=r"\(2, 3, 7\).*\(2, 2\)"):
        model.loss(np.zeros((2, 3), int), np.zeros((2, 2), int))
    state = model.state_dict() | {"wte.weight": np.zeros((9, 16))}
    with pytest.raises(ValueError, match=r"wte.weight has shape \(9, 16\), the model has \(7, 16\)"):
        model.load_state_dict(state)


def test_an_id_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(IndexError, match="index 7 is out of bounds"):
        random_model(SMALL).logits(np.array([[0, 7]]))


# **** numbers that are not finite


def run_config(**training: Any) -> RunConfig:
    settings_ = {"steps": 5, "eval_every": 0, "eval_tokens": 16, "batch_size": 2, **training}
    model = replace(SMALL, n_layer=1)
    return RunConfig(preset="microgpt", mode="tensor", model=model, training=TrainingConfig(**settings_))


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """First weights with this number in the middle of one matrix."""
    numbers: list[float] = []
    right = prepare.draw_weights

    def draw(table: Any, rng: np.random.Generator) -> Any:
        state = right(table, rng)
        if numbers:
            state["h.0.mlp.fc.weight"][3, 5] = numbers[0]
        return state

    monkeypatch.setattr(prepare, "draw_weights", draw)
    return numbers


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_stop_the_run_at_once(number: float, poison: list[float]) -> None:
    poison.append(number)
    record = run_training(run_config())
    assert (record.status, record.steps) == ("diverged", 0)
    assert "h.0.mlp.fc.weight" in record.reason


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_rate_that_is_far_too_large_stops_the_run(poison: list[float], tmp_path: Path) -> None:
    record = run_training(run_config(optimizer="sgd", lr=1e30, max_grad_norm=0.0), out=tmp_path)
    assert record.status == "diverged"
    assert record.steps < 5
    assert "--lr" in record.reason


def test_a_gradient_that_is_not_finite_names_its_parameter_and_moves_nothing() -> None:
    model = random_model(SMALL)
    optimizer = AdamW(model.named_parameters(), max_grad_norm=1.0)
    model.loss(ids_of(SMALL), ids_of(SMALL)).backward()
    model.h[1].mlp.proj.weight.grad[0, 0] = np.inf
    with pytest.raises(DivergedError, match=r"h\.1\.mlp\.proj\.weight is not finite at step 3"):
        check_gradient(optimizer.clip_gradients(), model, 3)
