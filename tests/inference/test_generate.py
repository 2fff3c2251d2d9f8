"""Generation token by token: it ends where it should, and a cache changes nothing but the time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat.inference.batch import generate_batch
from nanochat.inference.generate import draw_steps, generate
from nanochat.inference.samplers import Sampling
from nanochat.models.base import logits_array
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights

V, BLOCK = 7, 6
CONFIGS = {
    "learned": GPTConfig(
        vocab_size=V, block_size=BLOCK, n_embd=8, n_head=2, n_layer=2, zero_init_proj=False, init_scale=0.5
    ),
    "rope": GPTConfig(
        vocab_size=V,
        block_size=BLOCK,
        n_embd=8,
        n_head=2,
        n_kv_head=1,
        positions="rope",
        qk_norm=True,
        window=3,
        zero_init_proj=False,
        init_scale=0.5,
    ),
}


def built(config, mode: str):
    model = build_model(config, mode, "float64")
    model.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(5)))
    return model


class Fixed:
    """Always the same logits; remembers what it was asked."""

    takes_arrays = False

    def __init__(self, logits) -> None:
        self.row, self.asked = list(logits), []

    def logits(self, ids, cache=None):
        self.asked.append(list(ids))
        return [self.row for _ in ids]


class Uncached:
    """A model without its cache: everything is read anew for each token."""

    def __init__(self, model) -> None:
        self.model, self.takes_arrays = model, getattr(model, "takes_arrays", False)

    def logits(self, ids, cache=None):
        assert cache is None
        return self.model.logits(ids)

    def predict(self, ids, cache=None):
        assert cache is None
        return self.model.predict(ids)


def drawn(model, prompt=(1,), *, context=BLOCK, n=2 * BLOCK, seed=3, stop_ids=(), banned=(), **sampling) -> list[int]:
    rng, sampling = np.random.default_rng(seed), Sampling(**{"temperature": 1.0, **sampling})
    options = {"context": context, "max_new_tokens": n, "stop_ids": stop_ids, "banned": banned}
    return list(generate(model, list(prompt), sampling=sampling, rng=rng, **options))


def test_it_stops_after_the_tokens_that_were_asked_for():
    assert drawn(Fixed([0.0, 1.0]), n=5, temperature=0) == [1] * 5
    assert drawn(Fixed([0.0, 1.0]), n=0) == []


def test_it_stops_at_the_stop_token_and_does_not_yield_it():
    assert drawn(Fixed([1.0, 0.0]), temperature=0, stop_ids=(0,)) == []
    assert drawn(Fixed([1.0, 0.0]), temperature=0, stop_ids={1}, n=3) == [0, 0, 0]
    assert {drawn(Fixed([1.0, 1.0]), seed=seed, stop_ids={0, 1}) == [] for seed in range(9)} == {True}
    tokens = drawn(Fixed([0.0, 3.0, 3.0]), n=1000, stop_ids=(0,))
    assert 0 < len(tokens) < 1000
    assert 0 not in tokens


def test_a_banned_token_is_never_drawn():
    tokens = drawn(Fixed([9.0, 0.0, 0.0]), n=300, banned=(0,))
    assert set(tokens) == {1, 2}
    assert len(tokens) == 300


def test_steps_show_the_logits_and_the_stop_token():
    options = {"context": 9, "max_new_tokens": 9, "sampling": Sampling(temperature=0), "stop_ids": (1,)}
    model = Fixed([0.0, 1.0])
    steps = list(draw_steps(model, [0], rng=np.random.default_rng(0), **options))
    assert [(token, logits.tolist()) for token, logits in steps] == [(1, [0.0, 1.0])]
    assert model.asked == [[0]]  # nothing is read after the end


def test_what_stood_in_the_text_is_penalised_but_never_the_end():
    greedy = {"temperature": 0, "repetition_penalty": 2.0}
    assert drawn(Fixed([3.0, 4.0, 2.5]), [1], n=4, **greedy) == [0, 2, 1, 1]  # 3 | 2.5 | 2 > 1.5, 1.25
    assert drawn(Fixed([3.0, 4.0]), [1], n=4, stop_ids=(1,), **greedy) == []
    assert drawn(Fixed([-1.0, -1.5]), [0], n=1, **greedy) == [1]  # below zero a penalty multiplies


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
@pytest.mark.parametrize("sampling", [{"top_k": V}, {"top_k": V + 1}, {"top_p": 1.0}, {"min_p": 0.0}])
def test_a_filter_that_keeps_all_changes_nothing(mode, sampling):
    model = built(CONFIGS["rope"], mode)
    assert drawn(model, **sampling) == drawn(model)


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
@pytest.mark.parametrize("sampling", [{"top_k": 1}, {"top_p": 0.0}, {"temperature": 1e-9}])
def test_a_filter_that_keeps_one_is_greedy(mode, sampling):
    model = built(CONFIGS["rope"], mode)
    assert drawn(model, **sampling) == drawn(model, temperature=0)


def test_no_prompt_at_all_is_our_own_mistake():
    with pytest.raises(ValueError, match="at least one token"):
        drawn(Fixed([0.0]), ())


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("prompt", [(1,), (1, 2, 3), (1, 2, 3, 4, 5, 6)])
def test_a_cache_changes_nothing(mode, config, prompt):
    model = built(config, mode)
    assert hasattr(model, "empty_cache")
    assert drawn(model, prompt) == drawn(Uncached(model), prompt)


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_cached_logits_are_those_of_the_whole_text(mode, config):
    model, ids = built(config, mode), [1, 4, 2, 6, 3, 5]
    whole = logits_array(model, [ids])[0]
    cache = model.empty_cache()
    pieces = [logits_array(model, [ids[:2]], cache)[0], *(logits_array(model, [[i]], cache)[0] for i in ids[2:])]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-12)


def test_both_engines_draw_the_same_text():
    texts = [drawn(built(CONFIGS["learned"], mode)) for mode in ("scalar", "tensor")]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
def test_past_the_block_the_window_slides(mode):
    model, tokens = built(CONFIGS["learned"], mode), [1]
    for _ in range(15):  # the long way round: the last BLOCK tokens, read anew
        tokens.append(int(logits_array(model, [tokens[-BLOCK:]])[0, -1].argmax()))
    assert drawn(model, n=15, temperature=0) == tokens[1:]


def test_a_prompt_longer_than_the_context_counts_by_its_end():
    model = Fixed([0.0, 1.0])
    drawn(model, [0, 1, 0, 1, 1], context=3, n=2)
    assert [len(ids) for ids in model.asked] == [3, 3]
    assert model.asked[0] == [0, 1, 1]


def test_with_a_cache_each_token_is_read_once_until_the_window_slides():
    model, asked = built(CONFIGS["learned"], "scalar"), []
    real = model.logits

    def logits(ids, cache=None):
        asked.append(len(ids))
        return real(ids, cache)

    model.logits = logits
    drawn(model, (1, 2), n=8)
    assert asked == [2, 1, 1, 1, 1, BLOCK, BLOCK, BLOCK]


def test_a_bigram_depends_on_the_last_token_alone():
    config = BigramConfig(vocab_size=V, init_scale=2.0)
    model = built(config, "scalar")
    first, second = (drawn(model, prompt, context=1) for prompt in ((1, 2, 3), (6, 5, 3)))
    assert first == second


def drawn_together(
    model, prompts, *, context=BLOCK, n=2 * BLOCK, seeds=None, stop_ids=(), are_over=None, **sampling
) -> list[list[int]]:
    rngs = [np.random.default_rng(seed) for seed in seeds or range(len(prompts))]
    sampling = Sampling(**{"temperature": 1.0, **sampling})
    options = {"context": context, "max_new_tokens": n, "stop_ids": stop_ids, "are_over": are_over}
    return generate_batch(model, prompts, sampling=sampling, rngs=rngs, **options)


SAMPLINGS = st.sampled_from(
    [
        {"temperature": 0},
        {"temperature": 0.7},
        {"top_k": 3},
        {"top_p": 0.8, "temperature": 1.3},
        {"min_p": 0.2},
        {"repetition_penalty": 1.5},
        {"temperature": 0, "repetition_penalty": 1.5},
    ]
)
PROMPTS = st.lists(st.lists(st.integers(0, V - 1), min_size=1, max_size=BLOCK + 2), max_size=5)


# float64: what a batch rounds otherwise than a row alone is far too little to move a token.
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@settings(deadline=None, max_examples=25)
@given(prompts=PROMPTS, n=st.integers(0, BLOCK + 4), sampling=SAMPLINGS, stop_ids=st.sampled_from([(), (2,), (2, 5)]))
def test_a_batch_draws_for_each_prompt_what_it_gives_alone(config, prompts, n, sampling, stop_ids):
    model, options = built(config, "tensor"), {"n": n, "stop_ids": stop_ids, **sampling}
    together = drawn_together(model, prompts, **options)
    assert together == [drawn(model, prompt, seed=i, **options) for i, prompt in enumerate(prompts)]


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
def test_rows_know_nothing_of_their_neighbours(mode):
    model, prompts = built(CONFIGS["learned"], mode), [[1], [3, 4, 5], [2, 2, 6, 1, 0]]
    whole = drawn_together(model, prompts, seeds=[7, 8, 9], stop_ids=(0,))
    assert drawn_together(model, prompts[::-1], seeds=[9, 8, 7], stop_ids=(0,)) == whole[::-1]
    assert drawn_together(model, prompts[1:2], seeds=[8], stop_ids=(0,)) == whole[1:2]


def test_a_batch_asks_the_model_once_for_all_rows():
    model, shapes = built(CONFIGS["rope"], "tensor"), []
    real = model.logits

    def logits(ids, cache=None):
        shapes.append(np.shape(ids))
        return real(ids, cache)

    model.logits = logits
    drawn_together(model, [[1], [3, 4], [2, 2, 6]], n=3)
    assert shapes == [(3, 3), (3, 1), (3, 1)]


def test_a_bigram_draws_in_a_batch_too():
    model = built(BigramConfig(vocab_size=V, init_scale=2.0), "tensor")
    prompts = [[1], [2, 3]]
    assert drawn_together(model, prompts, context=1) == [
        drawn(model, prompt, context=1, seed=i) for i, prompt in enumerate(prompts)
    ]


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
def test_a_text_of_a_batch_ends_when_it_is_enough(mode):
    model, prompts = built(CONFIGS["learned"], mode), [[1], [3, 4, 5], [2]]
    whole = drawn_together(model, prompts)
    ends = [lambda new_ids: len(new_ids) == 2, None, lambda new_ids: len(new_ids) == BLOCK + 3]
    assert drawn_together(model, prompts, are_over=ends) == [whole[0][:2], whole[1], whole[2][: BLOCK + 3]]


def test_each_prompt_of_a_batch_needs_its_generator_and_a_token():
    model = built(CONFIGS["learned"], "tensor")
    with pytest.raises(ValueError, match="2 prompts and 1 generators"):
        drawn_together(model, [[1], [2]], seeds=[1])
    with pytest.raises(ValueError, match="at least one token"):
        drawn_together(model, [[1], []])
