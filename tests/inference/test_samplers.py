"""The next token: greedy is the largest logit, drawing follows softmax(logits / temperature)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from nanochat.errors import DivergedError, UsageError
from nanochat.inference.samplers import check_temperature, sample_token

LOGITS = st_np.arrays(np.float64, st.integers(2, 8), elements=st.floats(-1e3, 1e3))
# 99.9 % quantiles of chi-square by degrees of freedom: with a fixed seed the test is the same every time.
CHI_SQUARE = {3: 16.27, 4: 18.47}


def rng(seed: int = 1337) -> np.random.Generator:
    return np.random.default_rng(seed)


def chi_square(counts: np.ndarray, p: np.ndarray) -> float:
    expected = p * counts.sum()
    return float((((counts - expected) ** 2)[p > 0] / expected[p > 0]).sum())


@given(LOGITS)
def test_greedy_is_the_first_of_the_largest(logits):
    assert sample_token(logits, temperature=0, rng=rng()) == int(np.argmax(logits))


@given(LOGITS, st.integers(0, 100))
def test_a_tiny_temperature_is_greedy(logits, seed):
    largest = np.flatnonzero(logits >= logits.max() - 1e-290)  # what 1e-300 can tell apart
    assert sample_token(logits, temperature=1e-300, rng=rng(seed)) in largest


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax(temperature):
    logits = np.array([0.0, 1.0, -1.0, 0.5, 2.0])
    p = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
    source = rng()
    counts = np.bincount([sample_token(logits, temperature=temperature, rng=source) for _ in range(5000)], minlength=5)
    assert chi_square(counts, p) < CHI_SQUARE[4]


def test_what_is_banned_is_never_drawn_and_the_rest_keeps_its_odds():
    logits = np.array([5.0, 1.0, -1.0, 0.5, 2.0])
    p = np.exp(logits) * [0, 1, 1, 1, 1]
    source = rng()
    draws = [sample_token(logits, temperature=1.0, rng=source, banned=(0,)) for _ in range(5000)]
    counts = np.bincount(draws, minlength=5)
    assert counts[0] == 0
    assert chi_square(counts, p / p.sum()) < CHI_SQUARE[3]


@given(LOGITS, st.floats(0, 10), st.integers(0, 1000))
def test_a_banned_token_is_never_taken(logits, temperature, seed):
    banned = (int(np.argmax(logits)),)
    assert sample_token(logits, temperature=temperature, rng=rng(seed), banned=banned) not in banned


@given(LOGITS, st.floats(0.1, 10), st.integers(0, 1000))
def test_the_same_seed_draws_the_same_token(logits, temperature, seed):
    first, second = (sample_token(logits, temperature=temperature, rng=rng(seed)) for _ in range(2))
    assert first == second


def test_the_logits_are_left_as_they_are():
    logits = np.array([1.0, 2.0], dtype=np.float32)
    sample_token(logits, temperature=0.5, rng=rng(), banned=(1,))
    assert logits.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("logits", [[math.nan, 0.0], [math.inf, 0.0], [-math.inf, -math.inf], [-math.inf, 3.0]])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_give_no_distribution_are_one_sentence(logits, temperature):
    with pytest.raises(DivergedError, match="not finite"):
        sample_token(np.array(logits), temperature=temperature, rng=rng(), banned=(1,) if logits[1] == 3.0 else ())


@pytest.mark.parametrize("temperature", [-1.0, -1e-9, math.nan, math.inf])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(UsageError, match=f"temperature={temperature} is not a number of 0 or more"):
        check_temperature(temperature)


@pytest.mark.parametrize("temperature", [0.0, 1e-300, 0.8, 100.0])
def test_a_temperature_from_zero_up_is_welcome(temperature):
    check_temperature(temperature)
