import math

import numpy as np
import pytest

from nanochat.experiments.statistics.ladder import fit_and_predict, trend

X = np.array([1e4, 2e4, 4e4, 8e4])
SEEDS = np.array([[-0.01], [0.0], [0.01]])
NOISE = np.random.default_rng(1).normal(size=(3, 4)) * 0.001


def test_a_law_without_noise_is_found_and_foretells_the_next_rung():
    losses = 2 + 30 * X**-0.5 + SEEDS
    law, next_rung = fit_and_predict(X, losses, 16e4)
    assert law.floor == pytest.approx(2, abs=2e-3)  # the grid of exponents is as fine as 0.6 %
    assert law.exponent == pytest.approx(0.5, abs=5e-3)
    assert next_rung.mean == pytest.approx(2 + 30 * 16e4**-0.5, abs=1e-3)
    assert law.at(4e4) == pytest.approx(2.15, abs=1e-3)


def test_three_rungs_are_a_plain_power_law():
    law, next_rung = fit_and_predict(X[:3], np.tile(20 * X[:3] ** -0.25, (3, 1)) + SEEDS, 8e4)
    assert law.floor == 0
    assert law.exponent == pytest.approx(0.25, abs=1e-3)
    assert next_rung.low <= next_rung.mean <= next_rung.high


def test_intervals_hold_their_guess_and_noise_makes_them_wider():
    clean = 2 + 30 * X**-0.5 + SEEDS
    (law, near), (_, far) = (fit_and_predict(X, clean + k * NOISE, 16e4) for k in (1, 5))
    assert law.exponent_interval[0] <= law.exponent <= law.exponent_interval[1]
    assert law.floor_interval[0] <= law.floor <= law.floor_interval[1]
    assert near.low <= near.mean <= near.high
    assert far.high - far.low > near.high - near.low


def test_a_level_that_a_seed_has_at_every_rung_is_no_noise():
    rest = 2 + 30 * X**-0.5 + NOISE
    (_, alike), (_, apart) = fit_and_predict(X, rest, 16e4), fit_and_predict(X, rest + 10 * SEEDS, 16e4)
    assert apart.high - apart.low == pytest.approx(alike.high - alike.low, rel=1e-6)


@pytest.mark.parametrize(
    ("gap", "word"),
    [
        ([0.1, 0.1, 0.1, 0.1], "lasts"),
        ([-0.1, -0.05, -0.025, -0.0125], "shrinks"),
        ([0.01, 0.02, 0.03, 0.04], "grows"),
        ([0.1, 0.05, -0.05, -0.1], "turns"),
        ([0.1, 0.05, 0.0, 0.0], "shrinks"),
        ([0.0, 0.0, 0.05, 0.1], "shown late"),
        ([0.0, 0.0, 0.0, 0.0], "not decided"),
    ],
)
def test_what_a_difference_does_along_a_ladder(gap, word):
    assert trend(X, np.array(gap) + NOISE).word == word


def test_a_change_is_that_of_the_size_of_what_is_shown_in_nats_a_doubling():
    falling = np.array([0.4, 0.3, 0.2, 0.1])
    assert trend(X, falling + NOISE * 1e-3).slope.mean == pytest.approx(-0.1, abs=1e-5)
    assert trend(X, -falling + NOISE * 1e-3).slope.mean == pytest.approx(-0.1, abs=1e-5)


@pytest.mark.parametrize(
    ("shown", "word"), [((1, 1), "lasts"), ((0, 0), "not decided"), ((0, 1), "shown late"), ((-1, 1), "turns")]
)
def test_where_a_test_says_what_is_shown_the_t_interval_does_not(shown, word):
    assert trend(X, np.full(4, 0.1) + NOISE, shown=shown).word == word


def test_what_is_shown_at_the_last_rung_alone_is_not_said_to_last_or_to_shrink():
    """It may have had the other sign before, as far as anybody can tell."""
    early = np.array([[0.11, 0.02, -0.02, -0.05], [-0.07, -0.04, -0.03, -0.05], [0.05, 0.0, -0.03, -0.05]])
    assert trend(X, early + NOISE).word == "shown late"
    assert trend(X, -early + NOISE).word == "shown late"


@pytest.mark.parametrize(
    ("x", "values", "words"),
    [
        ([1.0], np.ones((3, 1)), "ladder of 1 rungs"),
        ([2.0, 1.0], np.ones((3, 2)), "do not rise"),
        ([1.0, 2.0], np.array([[1.0, math.nan]]), "did not end well"),
    ],
)
def test_a_ladder_that_is_none_is_refused(x, values, words):
    with pytest.raises(ValueError, match=words):
        trend(np.array(x), values)


def test_two_rungs_of_one_seed_leave_nothing_to_judge_by():
    with pytest.raises(ValueError, match="nothing to judge the fit by"):
        fit_and_predict(X[:2], np.ones((1, 2)), 4e4)


@pytest.mark.oracle
def test_the_law_is_that_of_scipy():
    optimize = pytest.importorskip("scipy.optimize")
    losses = 2 + 30 * X**-0.5 + SEEDS + NOISE
    law, _ = fit_and_predict(X, losses, 16e4)
    theirs, _ = optimize.curve_fit(lambda x, e, a, b: e + a * (x / 1e4) ** -b, X, losses.mean(0), p0=(1.5, 1, 0.5))
    assert (law.floor, law.exponent) == pytest.approx((theirs[0], theirs[2]), rel=5e-3)
    assert law.at(16e4) == pytest.approx(theirs[0] + theirs[1] * 16 ** -theirs[2], abs=1e-4)
