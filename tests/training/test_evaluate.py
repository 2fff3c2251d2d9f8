"""Loss in nats, perplexity, bits per byte: exact, whatever the batches are cut into."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.data.batches import Batch, TokenArray, evaluation_batches
from nanochat.models.bigram.counts import BigramCounts
from nanochat.training.evaluate import Evaluation, evaluate, token_losses

V = 5


@pytest.fixture
def model():
    """Some distribution over V tokens for each last token."""
    pairs = np.random.default_rng(1).integers(0, V, (200, 2))
    return BigramCounts(pairs, V)


def test_equal_logits_cost_the_log_of_the_vocabulary():
    losses = token_losses(np.zeros((2, 3, V)), np.ones((2, 3), dtype=np.int64))
    np.testing.assert_allclose(losses, math.log(V), rtol=1e-15)


@given(st.lists(st.floats(-1e4, 1e4), min_size=V, max_size=V), st.integers(0, V - 1), st.floats(-1e4, 1e4))
def test_the_loss_of_a_token_is_positive_and_ignores_a_shift_of_all_logits(logits, target, shift):
    z, y = np.array([logits]), np.array([target])
    loss = token_losses(z, y)
    assert loss >= 0
    np.testing.assert_allclose(token_losses(z + shift, y), loss, atol=1e-8)  # adding 1e4 costs 12 digits of 16


def test_probabilities_that_the_losses_stand_for_sum_to_one(model):
    logits = np.repeat(model.logits([3]), V, axis=0)
    assert np.exp(-token_losses(logits, np.arange(V))).sum() == pytest.approx(1, abs=1e-12)


def test_perplexity_is_the_exponential_of_the_mean_loss():
    assert Evaluation(loss=math.log(7), bits_per_byte=1.0, n_tokens=3).perplexity == pytest.approx(7)
    assert Evaluation(loss=1e6, bits_per_byte=1.0, n_tokens=3).perplexity == math.inf


def test_ignored_targets_do_not_count(model):
    inputs, targets = np.array([[0, 1, 2, 0]]), np.array([[1, 2, 3, -1]])
    found = evaluate(model, [Batch(inputs, targets)], np.ones(V, dtype=np.int64))
    expected = model.loss(np.array([[0, 1], [1, 2], [2, 3]]))
    assert found.n_tokens == 3
    assert found.loss == pytest.approx(expected, abs=1e-12)


def test_bits_per_byte_leave_bos_out_of_both_sums(model):
    token_bytes = np.array([0, 1, 2, 1, 3])  # token 0 is BOS: it has no text
    inputs, targets = np.array([[0, 1, 4]]), np.array([[1, 4, 0]])
    found = evaluate(model, [Batch(inputs, targets)], token_bytes)
    log_p = model.log_probabilities()
    bits = -(log_p[0, 1] + log_p[1, 4]) / math.log(2)
    assert found.bits_per_byte == pytest.approx(bits / (1 + 3), abs=1e-12)
    assert found.loss == pytest.approx(-(log_p[0, 1] + log_p[1, 4] + log_p[4, 0]) / 3, abs=1e-12)


@given(st.integers(1, 9), st.integers(1, 9))
def test_the_figures_do_not_depend_on_the_batch_size(a, b):
    model = BigramCounts(np.random.default_rng(1).integers(0, V, (200, 2)), V)
    rng = np.random.default_rng(2)
    documents = [rng.integers(1, V, size) for size in (3, 7, 1, 12, 5)]
    stream, token_bytes = TokenArray.from_documents(documents), np.array([0, 1, 2, 1, 3])

    def measure(batch_size: int) -> Evaluation:
        batches = evaluation_batches(stream, kind="documents", block_size=4, batch_size=batch_size)
        return evaluate(model, batches, token_bytes)

    first, second = measure(a), measure(b)
    assert first.n_tokens == second.n_tokens == sum(map(len, documents)) + len(documents)
    assert first.loss == pytest.approx(second.loss, abs=1e-12)
    assert first.bits_per_byte == pytest.approx(second.bits_per_byte, abs=1e-12)
