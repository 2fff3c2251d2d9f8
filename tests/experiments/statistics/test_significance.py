import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.experiments.statistics.intervals import t_interval
from nanochat.experiments.statistics.significance import (
    bootstrap_interval,
    bootstrap_narrowness,
    exact_level,
    holm,
    least_seeds,
    paired_t_p,
    power,
    seeds_needed,
    sign_flip_p,
)

differences = st.lists(st.floats(-10, 10).filter(lambda x: abs(x) > 1e-3), min_size=2, max_size=10)
probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=10)


def test_all_of_one_sign_is_the_smallest_p():
    """Two of the 2^n patterns, all plus and all minus, are as far out."""
    assert [sign_flip_p([1.0, 2.0, 0.5, 3.0][:n]) for n in (1, 2, 3, 4)] == [1, 0.5, 0.25, 0.125]


def test_three_differences_by_hand():
    """|1+2-1| = 2; the eight sums are +-4, +-2, +-2, 0, 0: six are as far out."""
    assert sign_flip_p([1.0, 2.0, -1.0]) == 6 / 8


def test_differences_of_nothing_are_no_evidence():
    assert sign_flip_p([0.0, 0.0]) == paired_t_p([0.0, 0.0]) == 1
    assert paired_t_p([1.0, 1.0]) == 0
    assert math.isnan(paired_t_p([1.0]))
    assert math.isnan(sign_flip_p([]))


@given(differences)
def test_p_is_a_share_of_the_patterns_and_knows_no_direction(values):
    p = sign_flip_p(values)
    assert 2 / 2 ** len(values) <= p <= 1
    assert p == sign_flip_p([-x for x in values]) == sign_flip_p(values[::-1])
    assert (p * 2 ** (len(values) - 1)).is_integer()


def test_many_differences_are_sampled_near_the_exact_share():
    rng = np.random.default_rng(1)
    values = rng.normal(0.3, 1, 20).tolist()
    sampled = sign_flip_p([*values, 1e-9])  # one more, which weighs nothing
    # four standard deviations of a share of 100,000 draws
    assert sampled == pytest.approx(sign_flip_p(values), abs=4 * math.sqrt(0.25 / 1e5))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, math.nan, 0.01])[::2] == pytest.approx([0.6, 0.02])
    assert holm([]) == []


@given(probabilities)
def test_holm_only_raises_and_keeps_the_order(p_values):
    corrected = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, corrected, strict=True))
    assert corrected == holm(p_values[::-1])[::-1]
    assert all(a <= b for a, b in pairwise([q for _, q in sorted(zip(p_values, corrected, strict=True))]))


def test_a_bootstrap_interval_is_the_same_again_and_lies_among_the_values():
    low, high = bootstrap_interval([1.0, 2.0, 4.0])
    assert (low, high) == bootstrap_interval([1.0, 2.0, 4.0])
    assert 1 <= low < 7 / 3 < high <= 4
    assert math.isnan(bootstrap_interval([1.0])[0])


@pytest.mark.parametrize("n", [8, 30])
def test_a_bootstrap_interval_is_too_narrow_by_the_share_that_reports_state(n):
    """22 % for 8, 6 % for 30: the mean over 100 samples scatters by a few percent."""
    samples = np.random.default_rng(n).normal(size=(100, n)).tolist()
    widths = [np.diff(bootstrap_interval(sample, resamples=500))[0] / 2 for sample in samples]
    whole = [t_interval(sample).half_width for sample in samples]
    assert 1 - np.mean(widths) / np.mean(whole) == pytest.approx(bootstrap_narrowness(n), abs=0.04)
    assert math.isnan(bootstrap_narrowness(1))


def test_seeds_that_the_exact_test_asks_for():
    """2 / 2^n * m <= 0.05: six seeds for one comparison, eight for six."""
    assert [least_seeds(m) for m in (1, 2, 3, 6, 12)] == [6, 7, 7, 8, 9]


def test_power_rises_with_seeds_and_effect_and_is_the_level_without_one():
    assert power(8, 0.0) == pytest.approx(0.05, abs=1e-9)
    assert power(4, 1.0) < power(8, 1.0) < power(16, 1.0) < power(16, 2.0) <= 1
    assert power(1, 9.0) == 0


def test_needed_seeds_are_the_first_with_power_enough():
    n = seeds_needed(0.5)
    assert power(n - 1, 0.5, exact_level(n - 1)) < 0.8 <= power(n, 0.5, exact_level(n))
    assert seeds_needed(0.5, comparisons=6) > n
    assert seeds_needed(100.0, comparisons=6) == 8
    assert seeds_needed(1e-6) == 1000


def test_five_percent_of_null_studies_are_significant():
    """Of 500 simulated studies of 8 seeds without a difference; +- 2 % is two standard deviations."""
    rng = np.random.default_rng(1337)
    studies = rng.normal(size=(500, 8)) - rng.normal(size=(500, 8))
    for test in (sign_flip_p, paired_t_p):
        assert np.mean([test(study.tolist()) <= 0.05 for study in studies]) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("n", [6, 8, 12])
def test_differences_are_found_as_often_as_theory_says(n):
    """500 studies with a true difference of 1.2 standard deviations; two standard deviations of the share are 4.5 %."""
    studies = np.random.default_rng(n).normal(1.2, 1, size=(500, n))
    found = np.mean([paired_t_p(study.tolist()) <= 0.05 for study in studies])
    assert found == pytest.approx(power(n, 1.2), abs=0.045)


def test_the_exact_test_of_six_finds_what_is_all_on_one_side():
    """Its only p below 0.05 is 2 / 2^6: power is Phi(1.2)^6, and the rest is noise of 500 studies."""
    studies = np.random.default_rng(6).normal(1.2, 1, size=(500, 6))
    found = np.mean([sign_flip_p(study.tolist()) <= 0.05 for study in studies])
    assert exact_level(6) == 2 / 2**6
    assert found == pytest.approx((0.5 * math.erfc(-1.2 / math.sqrt(2))) ** 6, abs=0.045)


@pytest.mark.oracle
@given(differences)
def test_p_values_equal_those_of_scipy(values):
    stats = pytest.importorskip("scipy.stats")
    exact = stats.permutation_test(
        (values,), np.sum, permutation_type="samples", n_resamples=1 << len(values), vectorized=False
    )
    assert sign_flip_p(values) == pytest.approx(exact.pvalue, abs=1e-12)
    if np.std(values) > 1e-6:
        assert paired_t_p(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1e-8, abs=1e-12)


@pytest.mark.oracle
@given(probabilities)
def test_bonferroni_and_holm_bracket_those_of_scipy(p_values):
    """scipy has no Holm; Benjamini-Hochberg, which it has, corrects less, Bonferroni more."""
    stats = pytest.importorskip("scipy.stats")
    corrected = np.array(holm(p_values))
    assert (corrected >= stats.false_discovery_control(p_values) - 1e-12).all()
    assert (corrected <= np.minimum(1, np.array(p_values) * len(p_values)) + 1e-12).all()


@pytest.mark.oracle
@pytest.mark.parametrize(("n", "effect"), [(2, 0.5), (3, 1.0), (8, 1.0), (8, 0.2), (30, 0.4), (200, 0.1), (5, 5.0)])
def test_power_equals_that_of_the_noncentral_t_of_scipy(n, effect):
    stats = pytest.importorskip("scipy.stats")
    t, shift = stats.t.ppf(0.975, n - 1), effect * math.sqrt(n)
    expected = stats.nct.sf(t, n - 1, shift) + stats.nct.cdf(-t, n - 1, shift)
    assert power(n, effect) == pytest.approx(expected, abs=1e-4)  # the trapezoidal rule at 800 points


@pytest.mark.oracle
def test_the_bootstrap_is_near_that_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(3).normal(size=12).tolist()
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=10_000, rng=1).confidence_interval
    # both draw at random: ends scatter by about a hundredth of the interval
    assert bootstrap_interval(values) == pytest.approx((theirs.low, theirs.high), abs=0.03)
