"""Beam search: one wide is greedy, wide enough is exhaustive, and what it says of a text is what the model says."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat.errors import UsageError
from nanochat.inference import beam
from nanochat.inference.beam import beam_search
from nanochat.inference.generate import generate
from nanochat.inference.samplers import Sampling, log_softmax
from nanochat.models.base import logits_array
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights

V, BLOCK = 4, 6
MODELS = {
    "gpt": GPTConfig(
        vocab_size=V, block_size=BLOCK, n_embd=4, n_head=2, n_layer=2, zero_init_proj=False, init_scale=1.5
    ),
    "bigram": BigramConfig(vocab_size=V, tie_lm_head=False, init_scale=2.0),
}


def built(config, mode: str, seed: int = 5):
    model = build_model(config, mode, "float64")
    model.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(seed)))
    return model, 1 if isinstance(config, BigramConfig) else BLOCK


def log_prob(model, prompt, ids, context, banned=()) -> float:
    """ln p of the ids after the prompt, everything read anew for each."""
    total, text = 0.0, list(prompt)
    for id_ in ids:
        total += log_softmax(logits_array(model, [text[-context:]])[0, -1], banned=banned)[id_]
        text.append(id_)
    return total


def exhaustive(model, prompt, n, *, context, length_penalty, stop_ids=(), banned=()) -> list[tuple]:
    """Every text of up to n tokens with its score, the best first: (score, ids)."""
    found = set()
    for ids in product([i for i in range(V) if i not in banned], repeat=n):
        end = next((i for i, id_ in enumerate(ids) if id_ in stop_ids), None)
        found.add(ids if end is None else ids[: end + 1])
    scored = [(log_prob(model, prompt, ids, context, banned) / len(ids) ** length_penalty, ids) for ids in found]
    texts = [(score, ids[:-1] if ids[-1] in stop_ids else ids) for score, ids in scored]
    return sorted(texts, key=lambda one: (-one[0], one[1]))


@pytest.mark.parametrize(("mode", "length_penalty"), [("scalar", 0.6), ("tensor", 0.0), ("tensor", 0.6), ("tensor", 1)])
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("stop_ids", "banned"), [((), ()), ((0,), ()), ((2,), (0,))])
def test_a_beam_wide_enough_finds_every_text_in_order(mode, kind, length_penalty, stop_ids, banned):
    model, context = built(MODELS[kind], mode)
    options = {"context": context, "length_penalty": length_penalty, "stop_ids": stop_ids, "banned": banned}
    found = beam_search(model, [1, 3], max_new_tokens=3, width=V**3, **options)
    expected = exhaustive(model, [1, 3], 3, **options)
    np.testing.assert_allclose([one.score for one in found], [score for score, _ in expected], atol=1e-12)
    scores = {ids: score for score, ids in expected}
    assert len(found) == len(scores)
    for one in found:  # a bigram finds 2 3 3 and 3 2 3 equally likely but for the last digit: no order among those
        assert one.score == pytest.approx(scores[one.ids], abs=1e-12)


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("stop_ids", [(), (0,), (1, 2)])
def test_a_beam_of_one_is_greedy(mode, kind, stop_ids):
    model, context = built(MODELS[kind], mode)
    options = {"context": context, "max_new_tokens": 12, "stop_ids": stop_ids}  # past the block, too
    greedy = generate(model, [1, 3], sampling=Sampling(temperature=0), rng=np.random.default_rng(0), **options)
    (found,) = beam_search(model, [1, 3], width=1, **options)
    assert list(found.ids) == list(greedy)


# Weights of any seed; a width that prunes. What is found is some text, and its score is what the model gives it.
@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), width=st.integers(1, 6), n=st.integers(1, 9), stop=st.booleans())
def test_scores_are_those_of_the_model_and_come_in_order(seed, width, n, stop):
    model, context = built(MODELS["gpt"], "tensor", seed)
    stop_ids = (0,) if stop else ()
    found = beam_search(model, [1, 3], context=context, max_new_tokens=n, width=width, stop_ids=stop_ids)
    assert len(found) == width or V**n < width or stop
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    for one in found:
        ids = one.ids if len(one.ids) == n else (*one.ids, 0)
        assert one.log_prob == pytest.approx(log_prob(model, [1, 3], ids, context), abs=1e-9)
        assert one.score == pytest.approx(one.log_prob / len(ids))


def test_both_engines_find_the_same():
    first, second = (
        beam_search(model, [2], context=context, max_new_tokens=8, width=3, stop_ids=(0,))
        for model, context in (built(MODELS["gpt"], mode) for mode in ("scalar", "tensor"))
    )
    assert [one.ids for one in first] == [one.ids for one in second]


def test_a_wider_beam_may_find_what_greedy_misses():
    class Trap:
        """Token 1 looks best and leads to a coin toss between four; token 0 leads to certainty."""

        takes_arrays = False

        def logits(self, ids, cache=None):
            after = {2: [0.45, 0.55, 1e-9, 1e-9], 0: [1, 1e-9, 1e-9, 1e-9], 1: [0.25] * 4}
            return [np.log(after[int(i)]) for i in ids]

    greedy, wide = (beam_search(Trap(), [2], context=1, max_new_tokens=2, width=width)[0] for width in (1, 2))
    assert greedy.ids == (1, 0)
    assert wide.ids == (0, 0)
    assert wide.log_prob > greedy.log_prob


def test_of_equals_the_lower_ids_come_first():
    class Even:
        takes_arrays = False

        def logits(self, ids, cache=None):
            return [[0.0] * V for _ in ids]

    found = beam_search(Even(), [0], context=1, max_new_tokens=2, width=5)
    assert [one.ids for one in found] == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]


def test_of_equals_at_the_cut_the_lower_ids_stay_whichever_was_ahead(monkeypatch):
    class Crossing:
        """Token 1 leads by a factor of 2 and loses it again: (0, 0), (1, 0) and (1, 1) are as likely."""

        takes_arrays = False

        def logits(self, ids, cache=None):
            after = {2: [1.0, 2.0, -99.0, -99.0], 0: [3.0, 0.0, 0.0, 0.0], 1: [2.0, 2.0, 0.0, 0.0]}
            rows = [np.array(after[int(i)]) for i in ids]
            return [row if i == 2 else row - 8 for i, row in zip(ids, rows, strict=True)]

    options = {"context": 1, "max_new_tokens": 2, "length_penalty": 0.0}
    monkeypatch.setattr(beam, "log_softmax", lambda row, banned=(): row)  # so that sums are exact
    found = beam_search(Crossing(), [2], width=2, **options)
    assert [one.ids for one in found] == [(0, 0), (1, 0)]


def test_the_penalty_decides_between_short_and_long():
    class Short:
        """Ends at once with p = 0.5, or says 1 and then surely 2 and 2 and the end."""

        takes_arrays = False

        def logits(self, ids, cache=None):
            after = {3: [0.5, 0.4, 0.05, 0.05], 1: [1e-9, 1e-9, 1, 1e-9], 2: [0.9, 1e-9, 0.1, 1e-9]}
            return [np.log(after.get(int(i), [0.25] * 4)) for i in ids]

    best = {
        penalty: beam_search(Short(), [3], context=1, max_new_tokens=6, width=4, length_penalty=penalty, stop_ids=(0,))[
            0
        ]
        for penalty in (0.0, 1.0)
    }
    assert best[0.0].ids == ()
    assert best[0.0].score == pytest.approx(math.log(0.5))
    assert best[1.0].ids == (1, 2)
    assert best[1.0].score == pytest.approx(math.log(0.4 * 0.9) / 3)  # the end is a prediction like the others


def test_a_text_that_is_enough_goes_no_further():
    model, context = built(MODELS["gpt"], "tensor")
    found = beam_search(
        model, [1], context=context, max_new_tokens=9, width=4, is_over=lambda ids: len(ids) > 2 or ids[-1] == 3
    )
    assert all(len(one.ids) == 3 or one.ids[-1] == 3 for one in found)
    assert all(3 not in one.ids[:-1] for one in found)


def test_each_token_is_read_once_while_the_text_fits():
    model, context = built(MODELS["gpt"], "tensor")
    shapes, real = [], model.logits

    def logits(ids, cache=None):
        shapes.append(np.shape(ids))
        return real(ids, cache)

    model.logits = logits
    beam_search(model, [1, 2, 3], context=context, max_new_tokens=6, width=3)
    assert shapes == [(1, 3), (3, 1), (3, 1), (3, 1), (3, BLOCK), (3, BLOCK)]


def test_nothing_asked_for_is_the_empty_text():
    model, context = built(MODELS["gpt"], "tensor")
    (found,) = beam_search(model, [1], context=context, max_new_tokens=0)
    assert (found.ids, found.log_prob, found.score) == ((), 0.0, 0.0)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"width": 0}, "width 0 holds nothing"),
        ({"width": 2.5}, "width=2.5 is no whole number"),
        ({"width": -1}, "width=-1 is too small"),
        ({"width": 1001}, "width 1,001 would fill the memory: give 1,000 or less"),
        *(({"length_penalty": x}, "is not a number from 0 to 10") for x in (-1.0, math.nan, 11)),
    ],
)
def test_a_beam_that_makes_no_sense_is_refused(options, part):
    model, context = built(MODELS["gpt"], "tensor")
    with pytest.raises(UsageError, match=part):
        beam_search(model, [1], context=context, max_new_tokens=3, **options)


def test_no_prompt_at_all_is_our_own_mistake():
    model, context = built(MODELS["gpt"], "tensor")
    with pytest.raises(ValueError, match="at least one token"):
        beam_search(model, [], context=context, max_new_tokens=3)
