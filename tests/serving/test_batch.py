"""Who joins and leaves changes no bit of anybody's text, and everybody's text is the one that a library call gives."""

from functools import cache

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from served import model, said, text

from nanochat.serving import batch as module
from nanochat.serving.batch import Batch, is_steady

PROMPTS = ["what is the", "Lima", "", "be brief , yes no yes no yes", '" well']


def run_alone(lm, prompt, seed, n):
    made = text(lm, prompt, seed, n=n, n_likeliest=3)
    alone = Batch(lm.model)
    alone.join(made)
    while alone.live:
        alone.step()
    return made


@cache
def alone(window: int, prompt: str, seed: int, n: int):
    return run_alone(model(window), prompt, seed, n)


@pytest.mark.parametrize("crowd", range(1, 8))
def test_a_text_has_the_same_bits_beside_any_crowd(crowd):
    lm = model()
    shared = Batch(lm.model)
    assert shared.kind == "fused"
    ours = text(lm, "what is the", 3, n=20, n_likeliest=5)
    others = [text(lm, PROMPTS[i % 5], 50 + i, n=4 + 3 * i) for i in range(crowd)]
    for i, other in enumerate(others):
        if i == crowd // 2:
            shared.join(ours)
        shared.join(other)
        if shared.live:
            shared.step()
    while shared.live:
        shared.step()
    expected = text(lm, "what is the", 3, n=20, n_likeliest=5)
    by_itself = Batch(lm.model)
    by_itself.join(expected)
    while by_itself.live:
        by_itself.step()
    assert ours.events == expected.events  # every ln p in every bit
    assert ours.n_new > 5


@pytest.mark.parametrize("mode", ["tensor", "scalar"])
def test_a_text_is_what_the_library_draws(mode):
    lm = model(mode=mode, block_size=24)
    for seed in range(3):
        made = run_alone(lm, "what is", seed, 8)
        expected = lm.generate("what is", seed=np.random.default_rng([seed, 0]), max_new_tokens=8, temperature=1.0)
        assert "what is" + said(made) == expected


def test_a_model_without_a_decoder_is_read_row_by_row():
    assert Batch(model(window=8).model).kind == "general"


def test_where_rows_do_not_stay_steady_the_model_reads(monkeypatch):
    monkeypatch.setattr(module, "is_steady", lambda decoder: False)
    assert Batch(model().model).kind == "general"


def test_a_decoder_that_mixes_rows_is_found_out():
    class Mixing:
        def __init__(self, inner):
            self.inner, self.config, self.empty_cache = inner, inner.config, inner.empty_cache

        def predict(self, ids, cache):
            return self.inner.predict(ids, cache) * (1 + 1e-6 * (len(ids) > 1))

    steady = Batch(model().model).decoder
    assert is_steady(steady)
    assert not is_steady(Mixing(steady))


def test_a_text_ends_where_the_context_is_full():
    lm = model(block_size=16)
    made = run_alone(lm, "what is", 11, 1000)
    assert made.finish in ("stop", "length")
    full = next(made for seed in range(20) if (made := run_alone(lm, "what is", seed, 1000)).finish == "length")
    assert len(full.ids) == lm.context + 1  # the last token need not be read


def test_what_cannot_be_drawn_ends_one_text_and_no_other(monkeypatch):
    lm = model()
    shared = Batch(lm.model)
    good, bad = text(lm, "what", 1), text(lm, "is", 2)
    shared.join(good)
    shared.join(bad)
    whole = shared._read
    monkeypatch.setattr(shared, "_read", lambda: [whole()[0], np.full(lm.config.vocab_size, np.nan)])
    shared.step()
    assert bad.finish == "error"
    assert "not finite" in str(bad.events[-1].error)
    assert shared.live == [good]


class Crowd(RuleBasedStateMachine):
    """Texts come and go in any order; each is, event by event, what it is alone."""

    window = 0

    def __init__(self):
        super().__init__()
        self.batch, self.texts = Batch(model(self.window).model), []

    @rule(prompt=st.sampled_from(PROMPTS), seed=st.integers(0, 3), n=st.integers(1, 12))
    def join(self, prompt, seed, n):
        made = text(model(self.window), prompt, seed, n=n, n_likeliest=3)
        self.texts.append((made, alone(self.window, prompt, seed, n)))
        self.batch.join(made)

    @rule()
    def step(self):
        if self.batch.live:
            self.batch.step()

    @rule(place=st.integers(0, 7))
    def leave(self, place):
        if place < len(self.batch.live):
            gone = self.batch.live[place]
            self.batch.leave(gone)
            gone.end("cancelled")

    @invariant()
    def every_text_is_what_it_is_alone(self):
        for made, expected in self.texts:
            n = len(made.events) - (made.finish == "cancelled")
            assert made.events[:n] == expected.events[:n]

    @invariant()
    def who_is_over_has_left(self):
        assert {id(made) for made in self.batch.live} == {id(made) for made, _ in self.texts if not made.finish}
        cache = self.batch._cache
        assert (0 if cache is None else len(cache.lengths)) == (len(self.batch.live) if self.window == 0 else 0)


class CrowdWithoutDecoder(Crowd):
    window = 8


TestCrowd = Crowd.TestCase
TestCrowdWithoutDecoder = CrowdWithoutDecoder.TestCase
TestCrowd.settings = TestCrowdWithoutDecoder.settings = settings(stateful_step_count=25, max_examples=15)
