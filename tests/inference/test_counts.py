"""The bigram of counts: probabilities, its loss, and the boost of the futuristic style."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.data.config import DataConfig
from nanochat.data.dataset import build_dataset
from nanochat.data.split import FUTURISTIC_WORDS
from nanochat.inference.counts import count_pairs, counts_language_model, pairs_of
from nanochat.models.bigram.counts import BigramCounts
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training


@pytest.fixture(scope="module")
def names():
    return build_dataset(DataConfig(source="builtin:names"))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1))
def test_probabilities_sum_to_one_and_none_is_zero(pairs):
    p = np.exp(BigramCounts(np.array(pairs), 5).log_probabilities())
    np.testing.assert_allclose(p.sum(-1), 1, atol=1e-12)
    assert p.min() > 0


def test_counts_start_at_one():
    counts = BigramCounts(np.array([[0, 1], [0, 1], [1, 2]]), 3)
    assert counts.counts.tolist() == [[1, 3, 1], [1, 1, 2], [1, 1, 1]]
    assert counts.loss(np.array([[0, 1]])) == pytest.approx(-math.log(3 / 5))


def test_pairs_are_each_token_and_the_next():
    assert pairs_of(np.array([3, 1, 4])).tolist() == [[3, 1], [1, 4]]


def test_logits_of_the_counts_are_log_probabilities(names):
    model = counts_language_model(names, boost_futuristic=False)
    np.testing.assert_allclose(np.exp(model.logits([0, 5])).sum(-1), 1, atol=1e-12)
    np.testing.assert_array_equal(model.logits([5])[0], count_pairs(names).log_probabilities()[5])


def test_counting_beats_guessing_on_text_it_has_not_seen(names):
    loss = count_pairs(names).loss(pairs_of(names.val.ids))
    assert loss < 0.8 * math.log(names.tokenizer.vocab_size)


def test_the_trained_bigram_approaches_the_counts(tmp_path):
    (tmp_path / "t.txt").write_text("abcab" * 200, encoding="utf-8")
    reference = []
    config = resolve(
        {
            "preset": "bigram",
            "mode": "tensor",
            "model": {"tie_lm_head": False},  # a tied head makes p(b | a) and p(a | b) one number
            "data": {"source": str(tmp_path / "t.txt")},
            "training": {"steps": 400, "batch_size": 16, "lr": 0.03, "eval_tokens": 0, "eval_every": 0},
        }
    )
    record = run_training(config, observe=lambda event: reference.append(getattr(event, "counts_loss", None)))
    assert record.val_loss == pytest.approx(reference[0], abs=0.02)  # nats; Laplace's rule costs the counts a little


def test_the_boost_favours_the_words_and_only_in_samples():
    dataset = build_dataset(DataConfig(source="builtin:names", style="futuristic"))
    plain, boosted = (counts_language_model(dataset, boost_futuristic=boost) for boost in (False, True))
    bos = dataset.tokenizer.bos_id
    ids = [dataset.tokenizer.encode(word) for word in FUTURISTIC_WORDS]
    added = boosted.model.counts - plain.model.counts
    assert added.sum() == 400 * sum(map(len, ids))  # a pair for each letter, the first with BOS
    assert added[bos, ids[0][0]] == 400 * sum(word[0] == "n" for word in FUTURISTIC_WORDS)
    assert count_pairs(dataset).counts.sum() == plain.model.counts.sum()


def test_samples_of_counts_are_reproducible_and_end_at_bos(names):
    model = counts_language_model(names, boost_futuristic=False)
    first, second = (model.generate(max_new_tokens=500, seed=3) for _ in range(2))
    assert first == second
    assert len(first) < 500
    assert set(first) <= set(names.tokenizer.chars)
