"""The decoder is the model: same tokens, logits equal to rounding; steady, rows have the same bits in any company."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nanochat.machine import one_blas_thread
from nanochat.models.gpt.cache import KEYS
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.gpt.decode import Decoder, can_decode
from nanochat.models.gpt.tensor import GPT
from nanochat.models.presets import PRESETS

WITHIN = {np.float32: 1e-5, np.float64: 1e-10}
"""What the issue promises; a logit is some units large here."""
SMALL: dict[str, Any] = {"vocab_size": 29, "block_size": 10, "n_embd": 32, "n_layer": 2, "dropout": 0.0}
ARCHITECTURES = {
    name: replace(preset.model, **SMALL, n_head=4)
    for name, preset in PRESETS.items()
    if type(preset.model) is GPTConfig
}
GREEDY_ROWS = [(1, False), (1, True), (3, False), (9, True)]


def random_model(config: GPTConfig, dtype: Any = np.float64, seed: int = 0) -> GPT:
    """Weights far from their first values, gains and biases too."""
    rng = np.random.default_rng(seed)
    model = GPT(config, seed=None, dtype=dtype)
    model.load_state_dict({k: rng.normal(0.5 * (p.ndim < 2), 0.1, p.shape) for k, p in model.named_parameters()})
    return model


def tokens_and_difference(model: GPT, decoder: Decoder, n_rows: int, n_read: int) -> tuple[bool, float]:
    """Whether both draw the same greedy texts after n_read random tokens, and how far their logits are apart."""
    ids = np.random.default_rng(n_read).integers(0, model.config.vocab_size, (n_rows, n_read))
    caches, differences, same = (model.empty_cache(n_rows), decoder.empty_cache(n_rows)), [], True
    while caches[0].longest + ids.shape[1] <= model.config.block_size:
        expected, found = model.predict(ids, caches[0]), decoder.predict(ids, caches[1])
        differences.append(np.abs(expected - found).max())
        same &= bool((expected.argmax(-1) == found.argmax(-1)).all())
        ids = expected[:, -1].argmax(-1)[:, None]
    assert found.dtype == expected.dtype == model.dtype
    return same, max(differences)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_preset_is_decoded_as_its_model_does_it(name: str, dtype: Any) -> None:
    assert can_decode(GPT(ARCHITECTURES[name], dtype=dtype))
    model = random_model(ARCHITECTURES[name], dtype)
    for n_rows, steady in GREEDY_ROWS:
        same, difference = tokens_and_difference(model, Decoder(model, steady=steady), n_rows, 3)
        assert same
        assert difference <= WITHIN[dtype]


DECODED = st.builds(
    GPTConfig,
    vocab_size=st.just(29),
    block_size=st.just(7),
    n_layer=st.integers(1, 2),
    n_head=st.just(4),
    n_kv_head=st.sampled_from([0, 1, 2]),
    head_dim=st.sampled_from([0, 6]),
    n_embd=st.just(16),
    norm=st.sampled_from(["rms", "layer"]),
    norm_position=st.sampled_from(["pre", "post"]),
    norm_gain=st.booleans(),
    norm_bias=st.booleans(),
    final_norm=st.booleans(),
    input_rmsnorm=st.booleans(),
    qk_norm=st.booleans(),
    positions=st.sampled_from(["learned", "sinusoidal", "rope", "none"]),
    activation=st.sampled_from(["relu", "relu2", "gelu", "silu"]),
    rope_base=st.sampled_from([1e4, 50.0]),
    attn_scale=st.sampled_from([1.0, 1.44]),
    norm_eps=st.sampled_from([1e-5, 0.0]),
    attn_bias=st.booleans(),
    mlp_bias=st.booleans(),
    tie_lm_head=st.booleans(),
    logit_softcap=st.sampled_from([0.0, 5.0]),
)


@given(config=DECODED, n_rows=st.integers(1, 10), n_read=st.integers(1, 4), steady=st.booleans())
def test_every_architecture_that_is_named_is_decoded(config: GPTConfig, n_rows: int, n_read: int, steady: bool) -> None:
    model = random_model(config)
    assert can_decode(model)
    same, difference = tokens_and_difference(model, Decoder(model, steady=steady), n_rows, n_read)
    assert same
    assert difference <= WITHIN[np.float64]


@pytest.mark.parametrize(
    "other", [{"norm": "dyt"}, {"norm": "none"}, {"activation": "swiglu"}, {"window": 3}, {"attn_proj": False}]
)
def test_what_is_not_named_is_left_to_the_model(other: dict[str, Any]) -> None:
    model = GPT(GPTConfig(**other))
    assert not can_decode(model)
    with pytest.raises(ValueError, match="has no decoder of its own"):
        Decoder(model)


def test_a_model_of_another_precision_is_left_to_itself() -> None:
    assert not can_decode(GPT(GPTConfig(), dtype=np.float16))


def test_a_cache_of_another_precision_is_refused() -> None:
    decoder, single = Decoder(GPT(GPTConfig(), dtype=np.float64)), GPT(GPTConfig(), dtype=np.float32)
    with pytest.raises(ValueError, match=r"the cache holds float32 keys and the model computes in float64"):
        decoder.predict([[1]], single.empty_cache())


def test_a_full_cache_and_an_unknown_token_are_refused() -> None:
    decoder = Decoder(GPT(GPTConfig(block_size=2)))
    cache = decoder.empty_cache()
    with pytest.raises(IndexError):
        decoder.predict([[27]], cache)
    decoder.predict([[1]], cache)
    decoder.predict([[1]], cache)
    with pytest.raises(ValueError, match="3 tokens do not fit in block_size=2"):
        decoder.predict([[1]], cache)


def test_a_text_keeps_the_weights_it_was_begun_with_and_the_next_one_has_the_new_ones() -> None:
    model, other = random_model(ARCHITECTURES["nanogpt-cpu"]), random_model(ARCHITECTURES["nanogpt-cpu"], seed=1)
    decoder, unchanged = Decoder(model), Decoder(random_model(ARCHITECTURES["nanogpt-cpu"]))
    caches = decoder.empty_cache(), unchanged.empty_cache()
    np.testing.assert_array_equal(decoder.predict([[1]], caches[0]), unchanged.predict([[1]], caches[1]))
    model.load_state_dict(other.state_dict())  # in place, as training does
    np.testing.assert_array_equal(decoder.predict([[2]], caches[0]), unchanged.predict([[2]], caches[1]))
    begun = decoder.predict([[1]], decoder.empty_cache())
    assert np.abs(begun - other.predict(np.array([[1]]), other.empty_cache())).max() <= WITHIN[np.float64]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "turn",
    [
        lambda w: w[::-1],
        lambda w: w[..., ::-1],
        lambda w: w[[1, 0, *range(2, len(w))]],
        lambda w: w[..., [0, 2, 1, *range(3, w.shape[-1])]],
        lambda w: -w,
        np.asfortranarray,
    ],
)
def test_weights_that_changed_places_are_other_weights(turn: Any, dtype: Any) -> None:
    model = random_model(ARCHITECTURES["nanogpt-cpu"], dtype)
    decoder = Decoder(model)
    decoder.predict([[1]], decoder.empty_cache())
    for parameter in model.parameters():
        parameter.data = turn(parameter.data).copy(order="K")
    found = decoder.predict([[1]], decoder.empty_cache())
    assert np.abs(found - model.predict(np.array([[1]]), model.empty_cache())).max() <= WITHIN[dtype]


def test_weights_of_another_precision_are_refused_by_name() -> None:
    model = random_model(ARCHITECTURES["nanogpt-cpu"])
    model.wte.weight.data = model.wte.weight.data.astype(np.float32)
    decoder = Decoder(model)
    with pytest.raises(ValueError, match=r"wte\.weight holds float32 and the model computes in float64"):
        decoder.predict([[1]], decoder.empty_cache())


@pytest.mark.parametrize("ids", [[[-1]], [[1.0]], [[27]]])
def test_what_is_no_token_is_refused_as_the_model_refuses_it(ids: Any) -> None:
    model = GPT(GPTConfig())
    for reader in (model, Decoder(model)):
        with pytest.raises((IndexError, TypeError)):
            reader.predict(np.array(ids), model.empty_cache())


@pytest.mark.parametrize("other", [{"n_layer": 3}, {"n_embd": 32}, {"block_size": 9}, {"n_kv_head": 1}])
def test_a_cache_of_another_model_is_refused(other: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="make it with the model's own empty_cache"):
        Decoder(GPT(GPTConfig())).predict([[1]], GPT(GPTConfig(**other)).empty_cache())


@pytest.mark.parametrize(("n_tokens", "n_rows"), [(3, 1), (1, 2), (3, 2)])
def test_a_cache_of_other_rows_is_refused(n_tokens: int, n_rows: int) -> None:
    decoder = Decoder(GPT(GPTConfig()))
    with pytest.raises(ValueError, match=f"{n_tokens} rows of tokens do not go with a cache"):
        decoder.predict([[1]] * n_tokens, decoder.empty_cache(n_rows))


@pytest.mark.parametrize("steady", [False, True])
def test_when_all_rows_have_left_there_is_nothing_to_draw(steady: bool) -> None:
    decoder = Decoder(GPT(GPTConfig()), steady=steady)
    assert decoder.predict(np.zeros((0, 1), np.int64), decoder.empty_cache(0)).shape == (0, 1, 27)


@pytest.mark.parametrize("factor", [40.0, 1e3])
@pytest.mark.parametrize(("n_rows", "steady"), GREEDY_ROWS)
def test_scores_that_no_exp_holds_are_no_trouble(factor: float, n_rows: int, steady: bool) -> None:
    model = random_model(ARCHITECTURES["mini-gpt"])
    for block in model.h:
        block.attn.qkv.weight.data[: 2 * model.config.n_embd] *= factor
    _, difference = tokens_and_difference(model, Decoder(model, steady=steady), n_rows, 2)
    assert difference <= WITHIN[np.float64] * factor  # a score of so many units, rounded, moves a weight so much


def test_a_model_that_has_diverged_says_nan_as_the_model_does() -> None:
    model = random_model(ARCHITECTURES["mini-gpt"])
    model.h[0].attn.qkv.weight.data[0] = np.nan
    assert np.isnan(Decoder(model).predict([[1]], model.empty_cache())).all()


def test_logits_are_nobody_elses() -> None:
    decoder = Decoder(random_model(ARCHITECTURES["mini-gpt"]))
    cache = decoder.empty_cache()
    first = decoder.predict([[1]], cache)
    kept = first.copy()
    decoder.predict([[2]], cache)
    np.testing.assert_array_equal(first, kept)


def test_threads_that_share_a_decoder_draw_what_each_draws_alone() -> None:
    decoder = Decoder(random_model(replace(ARCHITECTURES["nanogpt-cpu"], block_size=64)))

    def draw(first: int) -> list[int]:
        cache, ids = decoder.empty_cache(), [first]
        while len(ids) < 64:
            ids.append(int(decoder.predict([ids[-1:]], cache).argmax()))
        return ids

    with one_blas_thread(), ThreadPoolExecutor(4) as threads:
        assert list(threads.map(draw, range(12))) == list(map(draw, range(12)))


# Texts that come and go in one batch, each beside itself alone: a server's day.
class Company(RuleBasedStateMachine):
    """Rows join and leave; each has the bits that it has alone, and the logits of the whole text read at once."""

    config = replace(ARCHITECTURES["nanochat-words"], block_size=KEYS + 16, n_kv_head=2)
    model = random_model(config, np.float32)

    def __init__(self) -> None:
        super().__init__()
        self.decoder, self.alone = Decoder(self.model, steady=True), Decoder(self.model, steady=True)
        self.batch = self.decoder.empty_cache(0)
        self.texts: list[tuple[list[int], Any]] = []  # what each row has read, and its cache alone

    @precondition(lambda self: len(self.texts) < 10)
    @rule(n=st.integers(1, KEYS + 8), seed=st.integers(0, 99))
    def join(self, n: int, seed: int) -> None:
        ids = np.random.default_rng(seed).integers(0, self.config.vocab_size, n).tolist()
        caches = self.alone.empty_cache(), self.alone.empty_cache()
        for cache in caches:
            self.model.predict(np.array([ids]), cache)
        self.batch.join(caches[0])
        self.texts.append((ids, caches[1]))

    @precondition(lambda self: self.texts)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        row = data.draw(st.integers(0, len(self.texts) - 1))
        self.batch.leave(row)
        last = self.texts.pop()
        if row < len(self.texts):
            self.texts[row] = last

    @precondition(lambda self: self.texts and self.batch.longest < self.config.block_size)
    @rule(seed=st.integers(0, 99))
    def step(self, seed: int) -> None:
        new = np.random.default_rng(seed).integers(0, self.config.vocab_size, (len(self.texts), 1))
        with one_blas_thread():
            together = self.decoder.predict(new, self.batch)
            apart = [self.alone.predict(new[row : row + 1], cache) for row, (_, cache) in enumerate(self.texts)]
        np.testing.assert_array_equal(together, np.concatenate(apart))
        for (ids, _), row, logits in zip(self.texts, new, together, strict=True):
            ids += row.tolist()
            assert np.abs(self.model.predict(np.array([ids]))[0, -1] - logits[0]).max() <= WITHIN[np.float32]

    @invariant()
    def lengths_are_those_of_the_texts(self) -> None:
        assert self.batch.lengths.tolist() == [len(ids) for ids, _ in self.texts]


TestCompany = Company.TestCase
TestCompany.settings = settings(max_examples=settings().max_examples, stateful_step_count=12, deadline=None)
