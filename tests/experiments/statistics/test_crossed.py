import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nanochat.experiments.statistics.crossed import crossed_interval
from nanochat.experiments.statistics.intervals import t_interval

tables = arrays(np.float64, st.tuples(st.integers(2, 6), st.integers(2, 12)), elements=st.floats(-5, 5))


@given(tables)
def test_where_all_of_the_text_was_read_only_seeds_are_left(losses):
    found, seeds = crossed_interval(losses, share_read=1.0), t_interval(losses.mean(1).tolist())
    assert (found.mean, found.half_width) == pytest.approx((seeds.mean, seeds.half_width), abs=1e-9)
    assert found.of_seeds == pytest.approx(seeds.half_width, abs=1e-9)
    assert found.of_text == 0


def test_differences_whose_squares_are_too_small_for_a_float_have_an_interval():
    losses = np.zeros((2, 12))
    losses[0, 0] = 1e-89
    assert crossed_interval(losses).half_width == pytest.approx(1e-60 * crossed_interval(losses * 1e60).half_width)


@given(tables, st.floats(0, 0.9))
def test_text_that_was_not_read_adds_to_the_variance(losses, share):
    """Half widths are of unequal degrees of freedom; the variances behind them add."""
    some, none = crossed_interval(losses, share_read=share), crossed_interval(losses)
    assert some.of_text <= none.of_text + 1e-12
    assert some.of_seeds == none.of_seeds


def test_one_seed_has_the_interval_of_its_blocks():
    blocks = [1.0, 2.0, 4.0]
    found = crossed_interval(np.array([blocks]))
    assert found.half_width == pytest.approx(t_interval(blocks).half_width)
    assert math.isnan(found.of_seeds)
    assert math.isnan(crossed_interval(np.array([blocks]), share_read=1.0).half_width)


def test_one_block_says_nothing_of_text():
    assert math.isnan(crossed_interval(np.ones((3, 1))).half_width)


def test_three_seeds_and_blocks_that_only_differ_by_block_by_hand():
    """Rows alike: no mean square of seeds, none of the rest; blocks 0, 1, 2 have variance 1."""
    found = crossed_interval(np.tile([0.0, 1.0, 2.0], (3, 1)))
    assert (found.mean, found.of_seeds) == (1, 0)
    assert found.half_width == pytest.approx(t_interval([0.0, 1.0, 2.0]).half_width)


@pytest.mark.oracle
def test_the_components_are_those_of_the_two_way_table_of_statsmodels():
    pandas, api = pytest.importorskip("pandas"), pytest.importorskip("statsmodels.formula.api")
    anova = pytest.importorskip("statsmodels.stats.anova")
    rng = np.random.default_rng(2)
    n, n_blocks, share = 5, 9, 0.3
    losses = rng.normal(size=(n, 1)) + rng.normal(size=n_blocks) + 0.5 * rng.normal(size=(n, n_blocks))
    rows = [(i, j, losses[i, j]) for i in range(n) for j in range(n_blocks)]
    table = anova.anova_lm(
        api.ols("y ~ C(seed) + C(block)", pandas.DataFrame(rows, columns=["seed", "block", "y"])).fit()
    )
    seeds, blocks, rest = table["mean_sq"]
    variance = (seeds + (1 - share) * (blocks - rest)) / (n * n_blocks)
    squares = seeds**2 / (n - 1) + ((1 - share) * blocks) ** 2 / (n_blocks - 1)
    squares += ((1 - share) * rest) ** 2 / ((n - 1) * (n_blocks - 1))
    df = (n * n_blocks * variance) ** 2 / squares
    stats = pytest.importorskip("scipy.stats")
    expected = stats.t.ppf(0.975, int(df)) * math.sqrt(variance)
    assert crossed_interval(losses, share_read=share).half_width == pytest.approx(expected)
