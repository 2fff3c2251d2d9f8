"""The next token: greedy is the largest logit, drawing follows the softmax that temperature and filters leave."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from nanochat.errors import DivergedError, UsageError
from nanochat.inference.samplers import (
    Sampling,
    check_temperature,
    largest,
    log_softmax,
    probabilities,
    sample_token,
)

PLAIN = Sampling(temperature=1)
LOGITS = st_np.arrays(np.float64, st.integers(2, 8), elements=st.floats(-1e3, 1e3))
FEW = st_np.arrays(np.float64, st.integers(2, 8), elements=st.sampled_from([-2.0, 0.0, 1.0, 1.5]))  # many equals
SAMPLINGS = st.builds(
    Sampling,
    temperature=st.sampled_from([0, 1e-9, 0.7, 1, 1e9]),
    top_k=st.integers(0, 9),
    top_p=st.sampled_from([0, 0.3, 0.9, 1]),
    min_p=st.sampled_from([0, 0.1, 1]),
    repetition_penalty=st.sampled_from([0.5, 1, 1.3]),
)
FILTERS = {
    "plain": {},
    "temperature": {"temperature": 2.0},
    "top-k": {"top_k": 4},
    "top-p": {"top_p": 0.8},
    "min-p": {"min_p": 0.15},
    "penalty": {"repetition_penalty": 1.4},
    "all": {"temperature": 1.5, "top_k": 6, "top_p": 0.9, "min_p": 0.2, "repetition_penalty": 1.2},
}
EIGHT, SEEN, BANNED = np.array([0.0, 1.0, -1.0, 0.5, 2.0, 1.0, -0.3, 5.0]), [4, 0, 4, 6], (7,)


def rng(seed: int = 1337) -> np.random.Generator:
    return np.random.default_rng(seed)


def by_definition(logits, s: Sampling, seen=(), banned=()) -> np.ndarray:
    """The docstring of Sampling, word for word, with numbers instead of arrays."""
    z = dict(enumerate(logits.tolist()))
    for i in set(seen):
        z[i] = z[i] / s.repetition_penalty if z[i] > 0 else z[i] * s.repetition_penalty
    for i in banned:
        del z[i]
    order = sorted(z, key=lambda i: (-z[i], i))
    weight = {i: math.exp((z[i] - z[order[0]]) / s.temperature) for i in order}
    order = order[: s.top_k] if s.top_k else order
    share, kept = 0.0, []
    for i in order:
        if not kept or s.top_p == 1 or share < s.top_p:
            kept.append(i)
            share += weight[i] / sum(weight[j] for j in order)
    kept = [i for i in kept if weight[i] >= s.min_p]
    return np.array([weight[i] / sum(weight[j] for j in kept) if i in kept else 0.0 for i in range(len(logits))])


@pytest.mark.parametrize("fields", FILTERS.values(), ids=FILTERS)
def test_probabilities_are_those_of_the_definition(fields):
    sampling = replace(PLAIN, **fields)
    found = probabilities(EIGHT, sampling, seen=SEEN, banned=BANNED)
    np.testing.assert_allclose(found, by_definition(EIGHT, sampling, SEEN, BANNED), rtol=1e-12)


@given(LOGITS | FEW, st.integers(0, 9), st.floats(0, 1), st.floats(0.01, 1))
def test_probabilities_are_those_of_the_definition_for_any_logits(logits, top_k, min_p, top_p):
    sums = np.sort(by_definition(logits, replace(PLAIN, top_k=top_k)))[::-1].cumsum()
    assume(top_p == 1 or np.abs(sums - top_p).min() > 1e-9)  # a sum that lands on p may be rounded to either side
    sampling = replace(PLAIN, top_k=top_k, top_p=top_p, min_p=min_p)
    found, expected = probabilities(logits, sampling), by_definition(logits, sampling)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-300)


class Even:
    """In the place of a Generator: numbers that fill [0, 1) evenly, which no luck can favour."""

    def __init__(self, n: int) -> None:
        self.numbers = iter(((np.arange(n) + 0.5) / n).tolist())

    def random(self) -> float:
        return next(self.numbers)


@pytest.mark.parametrize("fields", FILTERS.values(), ids=FILTERS)
def test_draws_fall_on_each_token_as_often_as_its_probability_says(fields):
    sampling, n = replace(PLAIN, **fields), 2_000
    source, p = Even(n), by_definition(EIGHT, sampling, SEEN, BANNED)
    draws = [sample_token(EIGHT, sampling, source, seen=SEEN, banned=BANNED) for _ in range(n)]
    counts = np.bincount(draws, minlength=8)
    assert counts[p == 0].sum() == 0
    assert np.abs(counts - n * p).max() <= 1  # an interval of length p holds n p of them, one more or less at its ends


def test_a_generator_draws_as_its_probabilities_say():
    """The Generator that is passed in is what is asked: 10,000 draws, within four standard deviations."""
    n, source = 10_000, rng()
    p = by_definition(EIGHT, PLAIN, SEEN, BANNED)
    counts = np.bincount([sample_token(EIGHT, PLAIN, source, banned=BANNED) for _ in range(n)], minlength=8)
    assert (np.abs(counts - n * p) <= 4 * np.sqrt(n * p * (1 - p))).all()


@given(LOGITS)
def test_greedy_is_the_first_of_the_largest(logits):
    for sampling in (Sampling(temperature=0), Sampling(top_k=1), Sampling(top_p=0)):
        assert sample_token(logits, sampling, rng()) == int(np.argmax(logits))
        assert probabilities(logits, sampling).tolist() == np.eye(len(logits))[np.argmax(logits)].tolist()


@given(LOGITS, st.integers(0, 100))
def test_a_tiny_temperature_is_greedy(logits, seed):
    near = np.flatnonzero(logits >= logits.max() - 1e-290)  # what 1e-300 can tell apart
    assert sample_token(logits, Sampling(temperature=1e-300), rng(seed)) in near


def test_a_huge_temperature_is_a_fair_die():
    np.testing.assert_allclose(probabilities(EIGHT, Sampling(temperature=1e9)), 1 / 8, rtol=1e-8)


@given(LOGITS | FEW, st.integers(0, 3))
def test_what_is_off_changes_no_bit(logits, more):
    n = len(logits)
    for off in ({"top_k": 0}, {"top_k": n + more}, {"top_p": 1.0}, {"min_p": 0.0}, {"repetition_penalty": 1.0}):
        assert probabilities(logits, replace(PLAIN, **off), seen=[0]).tolist() == probabilities(logits, PLAIN).tolist()


@given(FEW, st.integers(1, 9))
def test_top_k_keeps_exactly_k_and_of_equals_the_lowest_ids(logits, k):
    kept = np.flatnonzero(probabilities(logits, replace(PLAIN, top_k=k)))
    assert kept.tolist() == sorted(sorted(range(len(logits)), key=lambda i: (-logits[i], i))[:k])


def test_top_p_takes_the_token_that_crosses_and_no_more():
    logits = np.log([0.125, 0.25, 0.5, 0.125])
    kept = {p: np.flatnonzero(probabilities(logits, replace(PLAIN, top_p=p))).tolist() for p in (0.4, 0.6, 0.8, 0.99)}
    assert kept == {0.4: [2], 0.6: [1, 2], 0.8: [0, 1, 2], 0.99: [0, 1, 2, 3]}


def test_top_p_counts_what_top_k_has_left():
    sampling = replace(PLAIN, top_k=2, top_p=0.7)  # 0.5 of 0.8 are 0.625 < 0.7
    assert np.flatnonzero(probabilities(np.log([0.5, 0.3, 0.2]), sampling)).tolist() == [0, 1]


def test_min_p_is_a_share_of_the_likeliest():
    logits = np.log([0.5, 0.3, 0.15, 0.05])
    kept = {p: np.flatnonzero(probabilities(logits, replace(PLAIN, min_p=p))).tolist() for p in (0.05, 0.25, 0.5, 1.0)}
    assert kept == {0.05: [0, 1, 2, 3], 0.25: [0, 1, 2], 0.5: [0, 1], 1.0: [0]}
    assert probabilities(np.zeros(4), replace(PLAIN, min_p=1.0)).tolist() == [0.25] * 4


@given(LOGITS, st.floats(1.01, 3), st.sets(st.integers(0, 1), min_size=1))
def test_a_penalty_makes_what_was_there_less_likely_however_often(logits, penalty, seen):
    logits = logits - logits.max()  # to within what float64 can tell apart, and of either sign below
    for z in (logits / 50, logits / 50 + 3):
        p, penalised = (
            probabilities(z, replace(PLAIN, repetition_penalty=r), seen=[*seen, *seen]) for r in (1, penalty)
        )
        was, now = p[list(seen)].sum(), penalised[list(seen)].sum()
        assert now <= was + 1e-12
        once = probabilities(z, replace(PLAIN, repetition_penalty=penalty), seen=[*seen])
        assert once.tolist() == penalised.tolist()


@given(LOGITS | FEW, SAMPLINGS, st.lists(st.integers(0, 1)), st.integers(0, 1000))
def test_every_setting_gives_a_distribution_and_draws_from_it(logits, sampling, seen, seed):
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        p = probabilities(logits, sampling, seen=seen)
        token = sample_token(logits, sampling, rng(seed), seen=seen)
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert p[token] > 0
    assert sample_token(logits, sampling, rng(seed), seen=seen) == token  # the same seed, the same token


@given(SAMPLINGS, st.integers(0, 4), st.integers(0, 100))
def test_where_all_but_one_are_impossible_it_is_that_one(sampling, only, seed):
    logits = np.full(5, -math.inf)
    logits[only] = -3.0
    assert sample_token(logits, sampling, rng(seed), seen=[0, 1]) == only


@pytest.mark.parametrize("scale", [1e4, 1e30, 1e300])
def test_logits_of_any_size_give_a_distribution(scale):
    for sampling in (PLAIN, Sampling(temperature=1e-9, top_p=0.5), Sampling(repetition_penalty=1.5, min_p=0.1)):
        p = probabilities(EIGHT * scale, sampling, seen=[0, 2, 7])
        assert p.sum() == pytest.approx(1, abs=1e-12)


@given(LOGITS, SAMPLINGS, st.integers(0, 1000))
def test_a_banned_token_is_never_taken(logits, sampling, seed):
    banned = (int(np.argmax(logits)),)
    assert sample_token(logits, sampling, rng(seed), banned=banned) not in banned
    assert probabilities(logits, sampling, banned=banned)[banned[0]] == 0


def test_the_logits_are_left_as_they_are():
    logits = np.array([1.0, 2.0], dtype=np.float32)
    sample_token(logits, Sampling(repetition_penalty=2, top_p=0.5), rng(), banned=(1,), seen=[0])
    assert logits.tolist() == [1.0, 2.0]


@given(LOGITS)
def test_log_softmax_is_the_logarithm_of_the_plain_probabilities(logits):
    p = np.exp(log_softmax(logits))
    np.testing.assert_allclose(p, probabilities(logits, PLAIN), rtol=1e-12, atol=1e-300)  # subnormals have fewer digits
    assert np.exp(log_softmax(logits, banned=(0,)))[0] == 0


@given(FEW | LOGITS, st.integers(1, 9))
def test_the_largest_come_in_order_and_of_equals_the_lowest_first(values, k):
    assert largest(values, k).tolist() == sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]


@pytest.mark.parametrize("logits", [[math.nan, 0.0], [math.inf, 0.0], [-math.inf, -math.inf], [-math.inf, 3.0]])
@pytest.mark.parametrize("sampling", [Sampling(temperature=0), PLAIN, Sampling(top_k=1), Sampling(top_p=0.5)])
def test_logits_that_give_no_distribution_are_one_sentence(logits, sampling):
    with pytest.raises(DivergedError, match="not finite"):
        sample_token(np.array(logits), sampling, rng(), banned=(1,) if logits[1] == 3.0 else ())


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("temperature", -1.0, "temperature=-1.0 is not a number of 0 or more"),
        ("top_k", -1, "top_k=-1 is too small"),
        ("top_p", 1.5, "top_p=1.5 is no share of 1: give a number from 0 to 1, where 1 is off"),
        ("top_p", math.nan, "top_p=nan is no share"),
        ("min_p", -0.1, "min_p=-0.1 is no share of 1: give a number from 0 to 1, where 0 is off"),
        ("repetition_penalty", 0.0, "repetition_penalty=0.0 is not a number above 0"),
        ("repetition_penalty", math.inf, "repetition_penalty=inf is not a number above 0"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(field, value, sentence):
    with pytest.raises(UsageError, match=sentence):
        Sampling(**{field: value})


@pytest.mark.parametrize("temperature", [-1.0, -1e-9, math.nan, math.inf])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(UsageError, match=f"temperature={temperature} is not a number of 0 or more"):
        check_temperature(temperature)


@pytest.mark.parametrize("temperature", [0.0, 1e-300, 0.8, 100.0])
def test_a_temperature_from_zero_up_is_welcome(temperature):
    check_temperature(temperature)
