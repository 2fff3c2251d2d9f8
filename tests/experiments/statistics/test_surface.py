import numpy as np
import pytest

from nanochat.experiments.statistics.surface import fit_surface

X, Y = np.array([100.0, 200, 400, 800]), np.array([3e3, 12e3, 48e3])
SEEDS = np.array([-0.01, 0.0, 0.01])[:, None, None]


def surface(x, y):
    return 1.5 + 8 * x**-0.5 + 30 * y**-0.4


CLEAN = surface(X[:, None], Y[None, :]) + SEEDS
NOISE = np.random.default_rng(2).normal(size=(3, 4, 3)) * 0.002


def test_both_terms_without_noise_are_found_and_foretell_beyond_them():
    law, ahead = fit_surface(X, Y, CLEAN, (1600.0, 192e3))
    assert (law.exponent_x, law.exponent_y) == pytest.approx((0.5, 0.4), rel=6e-3)  # the grid is as fine as that
    assert law.floor == pytest.approx(1.5, abs=0.01)
    assert ahead.mean == pytest.approx(surface(1600.0, 192e3), abs=2e-3)
    assert law.at(1600.0, 192e3) == pytest.approx(ahead.mean)


def test_intervals_hold_their_guess_and_noise_makes_them_wider():
    (law, near), (_, far) = (fit_surface(X, Y, CLEAN + k * NOISE, (1600.0, 192e3)) for k in (1, 3))
    for value, (low, high) in (
        (law.floor, law.floor_interval),
        (law.exponent_x, law.interval_x),
        (law.exponent_y, law.interval_y),
    ):
        assert low <= value <= high
    assert near.low <= near.mean <= near.high
    assert far.high - far.low > near.high - near.low


def test_an_amount_that_changes_nothing_has_no_exponent():
    flat = (2 + 8 * X**-0.5)[None, :, None] + np.zeros((3, 1, 3)) + SEEDS + NOISE
    assert fit_surface(X, Y, flat, (1600.0, 192e3))[0].is_told[1] is False


def test_no_floor_lies_below_0():
    """Losses that fall in a straight line of log x: the best exponent is next to 0, and its floor far below."""
    steep = 4 - 0.3 * np.log2(X[:, None] / 100) - 0.2 * np.log2(Y[None, :] / 3e3) + SEEDS + NOISE
    law, ahead = fit_surface(X, Y, steep, (1600.0, 192e3))
    assert law.floor_interval[0] >= 0
    assert law.floor >= 0
    assert ahead.low <= ahead.mean <= ahead.high


@pytest.mark.parametrize("shape", [(3, 3, 3), (3, 4, 2), (2, 4, 3)])
def test_fewer_rungs_or_seeds_tell_no_two_terms(shape):
    with pytest.raises(ValueError, match="tell no two terms: give 4 x 3 and 3 seeds"):
        fit_surface(X[: shape[1]], Y[: shape[2]], np.ones(shape), (1.0, 1.0))


@pytest.mark.oracle
def test_the_law_is_that_of_scipy():
    optimize = pytest.importorskip("scipy.optimize")
    losses = CLEAN + NOISE
    law, _ = fit_surface(X, Y, losses, (1600.0, 192e3))
    at = np.array([(x / 300, y / 1e4) for x in X for y in Y]).T
    theirs, _ = optimize.curve_fit(
        lambda xy, e, a, p, b, q: e + a * xy[0] ** -p + b * xy[1] ** -q, at, losses.mean(0).ravel(), (1, 1, 0.5, 1, 0.5)
    )
    e, a, p, b, q = theirs
    assert (law.exponent_x, law.exponent_y) == pytest.approx((p, q), rel=8e-3)
    assert law.at(1600.0, 192e3) == pytest.approx(e + a * (1600 / 300) ** -p + b * 19.2**-q, abs=5e-4)
