import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.experiments.statistics.intervals import incomplete_beta, mean, standard_deviation, t_interval, t_quantile

numbers = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20)


def test_the_quantiles_of_the_tables():
    """Three figures of Student's t that every table prints."""
    assert [round(t_quantile(0.975, df), 3) for df in (1, 2, 10)] == [12.706, 4.303, 2.228]


def test_the_interval_of_three_numbers_by_hand():
    """mean 2, s = 1, t = 4.3027, half width = t / sqrt(3)"""
    interval = t_interval([1.0, 2.0, 3.0])
    assert interval.mean == 2
    assert interval.half_width == pytest.approx(4.302652729749 / math.sqrt(3), rel=1e-10)
    assert (interval.low + interval.high) / 2 == pytest.approx(2)


def test_one_value_has_no_spread_and_no_value_no_mean():
    assert math.isnan(t_interval([1.5]).half_width)
    assert t_interval([1.5]).mean == 1.5
    assert math.isnan(mean([]))


def test_losses_that_exploded_have_a_spread_too():
    """The square of 1e200 is no float."""
    assert standard_deviation([1e200, 3e200]) == pytest.approx(math.sqrt(2) * 1e200)


@given(numbers, st.floats(-100, 100))
def test_a_shift_moves_the_mean_and_leaves_the_spread(values, shift):
    moved = [value + shift for value in values]
    assert mean(moved) == pytest.approx(mean(values) + shift, abs=1e-9)
    assert standard_deviation(moved) == pytest.approx(standard_deviation(values), abs=1e-9)


@given(st.floats(0.001, 0.999), st.integers(1, 200))
def test_quantiles_are_symmetric_and_rise(p, df):
    assert t_quantile(p, df) == -t_quantile(1 - p, df) or t_quantile(p, df) == pytest.approx(-t_quantile(1 - p, df))
    assert t_quantile(p, df) <= t_quantile(p + (1 - p) / 2, df)


@given(st.floats(1e-3, 1 - 1e-3), st.floats(0.5, 50), st.floats(0.5, 50))
def test_both_tails_of_the_beta_make_one(x, a, b):
    assert incomplete_beta(x, a, b) + incomplete_beta(1 - x, b, a) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("p", "df"), [(0, 3), (1, 3), (0.5, 0)])
def test_a_quantile_that_does_not_exist_is_refused(p, df):
    with pytest.raises(ValueError, match="between 0 and 1"):
        t_quantile(p, df)


@pytest.mark.oracle
@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 10, 29, 100, 1000])
def test_quantiles_equal_those_of_scipy(df):
    stats = pytest.importorskip("scipy.stats")
    for p in (0.005, 0.025, 0.3, 0.6, 0.9, 0.975, 0.995, 0.9999):
        # bisection ends within the rounding of the distribution function, 1e-15 / density
        assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-10)


@pytest.mark.oracle
@given(numbers)
def test_intervals_equal_those_of_scipy(values):
    stats = pytest.importorskip("scipy.stats")
    interval, error = t_interval(values), stats.sem(values)
    if error > 1e-9:
        low, high = stats.t.interval(0.95, len(values) - 1, loc=stats.tmean(values), scale=error)
        assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-7, abs=1e-7)
