import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nanochat.experiments.statistics.joint import (
    MOST_EXACT,
    all_pairs,
    best_set,
    joint_test,
    scores_of,
    sign_patterns,
)
from nanochat.experiments.statistics.significance import sign_flip_p

rounded = st.floats(-10, 10).map(lambda x: round(x, 3))
studies = arrays(np.float64, st.tuples(st.integers(2, 8), st.integers(1, 5)), elements=rounded)


@given(studies)
def test_one_comparison_is_the_exact_test_and_more_only_raise_its_p(differences):
    test = joint_test(differences, n_intervals=0)
    for j, column in enumerate(differences.T):
        if not np.any(column):
            assert math.isnan(test.p[j])
            continue
        assert test.p[j] == pytest.approx(sign_flip_p(column.tolist()), abs=1e-12)
        assert joint_test(column[:, None], n_intervals=0).p_joint[0] == test.p[j]
        assert test.p[j] <= test.p_joint[j] <= 1


@given(studies)
def test_no_interval_contradicts_its_verdict(differences):
    test = joint_test(differences)
    for j, p in enumerate(test.p_joint):
        if not math.isnan(p):
            assert (test.low[j] < 0 < test.high[j]) <= (p > 0.05)
            assert (test.low[j] > 0 or test.high[j] < 0) <= (p <= 0.05)
            assert test.low[j] <= max(0, differences[:, j].mean()) + 1e-9


def test_six_seeds_suffice_for_twenty_clear_differences():
    """Holm asks for 0.05 / 20 of the first, and six seeds have no p below 1 / 32."""
    rng = np.random.default_rng(0)
    test = joint_test(rng.normal(size=(6, 1)) * 0.1 + rng.normal(1, 0.05, size=(6, 20)), n_intervals=0)
    assert set(test.p_joint) == {2 / 2**6}
    assert set(test.least_p) == {2 / 2**6}


def test_the_interval_of_one_comparison_is_that_of_fisher():
    """Six seeds: only the shift that leaves all signs alike is rejected, so the ends are the outermost differences."""
    column = np.array([0.3, 0.1, 0.7, 0.4, 0.2, 0.9])
    test = joint_test(column[:, None])
    assert (test.low[0], test.high[0]) == pytest.approx((0.1, 0.9), abs=1e-5)  # where bisection ends


def test_five_seeds_have_no_interval():
    test = joint_test(np.arange(1.0, 6)[:, None])
    assert (test.p_joint[0], test.low[0], test.high[0]) == (2 / 2**5, -math.inf, math.inf)


@given(studies, st.floats(0.1, 10), st.randoms())
def test_p_knows_no_unit_no_order_and_no_direction(differences, scale, random):
    order = list(range(differences.shape[1]))
    random.shuffle(order)
    ours, theirs = joint_test(differences, n_intervals=0), joint_test(-scale * differences[:, order], n_intervals=0)
    assert theirs.p_joint == pytest.approx(ours.p_joint[order], nan_ok=True)


def test_a_divergence_is_the_largest_rank_and_two_share_it():
    column = np.array([[np.inf, -0.5, 0.2, np.inf, 0.0, np.nan, 0.2]]).T
    assert scores_of(column)[:, 0].tolist() == pytest.approx([4.5, -3, 1.5, 4.5, 0, np.nan, 1.5], nan_ok=True)
    assert scores_of(column[1:3]).tolist() == column[1:3].tolist()


def test_a_variant_that_diverges_in_six_of_eight_is_worse_though_the_others_are_better():
    column = np.array([-0.1, -0.2, *[np.inf] * 6])
    test = joint_test(column[:, None])
    assert test.p[0] <= 0.05
    assert joint_test(np.array([-0.1, -0.2, -0.1, -0.3, *[np.inf] * 4])[:, None]).p[0] > 0.05
    assert test.low[0] == -math.inf  # of the two that finished


def test_seeds_without_a_pair_leave_their_column_alone():
    rng = np.random.default_rng(3)
    whole = rng.normal(1, 0.3, size=(9, 2))
    part = whole.copy()
    part[6:, 0] = np.nan
    test = joint_test(part)
    assert test.least_p.tolist() == [2 / 2**6, 2 / 2**9]
    assert test.p[1] == joint_test(whole).p[1]


def test_many_seeds_are_tested_by_drawn_patterns_near_the_exact_share():
    values = np.random.default_rng(1).normal(0.3, 1, MOST_EXACT + 2)
    drawn = joint_test(values[:, None], n_intervals=0).p[0]
    assert drawn == pytest.approx(sign_flip_p(values.tolist()), abs=4 * math.sqrt(0.25 / len(sign_patterns(16))))


def test_the_best_is_in_the_set_of_those_that_nothing_beats():
    rng = np.random.default_rng(5)
    losses = rng.normal(size=(8, 4)) * 0.01 + np.array([2.0, 2.001, 2.5, 3.0])
    differences, pairs = all_pairs(losses)
    assert pairs == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    kept = best_set(4, pairs, differences, joint_test(differences, n_intervals=0).p_joint)
    assert kept.tolist() == [True, True, False, False]


def test_two_runs_that_diverged_say_nothing():
    differences, _ = all_pairs(np.array([[np.inf, np.inf], [1.0, np.inf]]))
    assert differences[:, 0].tolist() == pytest.approx([math.nan, -math.inf], nan_ok=True)


def test_nothing_asked_is_nothing_answered():
    assert joint_test(np.zeros((8, 1))).p_joint.tolist() == pytest.approx([math.nan], nan_ok=True)
    assert joint_test(np.empty((0, 2))).p.tolist() == pytest.approx([math.nan] * 2, nan_ok=True)


@pytest.mark.oracle
@given(arrays(np.float64, (7, 3), elements=rounded))
def test_the_largest_of_a_family_has_the_p_that_scipy_gives_the_maximum(differences):
    stats = pytest.importorskip("scipy.stats")
    if np.ptp(differences, axis=0).min() < 0.1:
        return

    flips = sign_patterns(7)
    maxima = [np.abs(stats.ttest_1samp(differences * signs[:, None], 0).statistic).max() for signs in flips]
    ours = joint_test(differences, n_intervals=0).p_joint.min()
    assert ours == pytest.approx(np.mean(np.array(maxima) >= maxima[0] * (1 - 1e-7)), abs=1e-12)


@pytest.mark.oracle
@given(arrays(np.float64, (8, 1), elements=rounded.filter(bool), unique=True))
def test_signed_ranks_have_the_p_of_scipy(differences):
    """All but the largest; that one diverged, and no number stands for it."""
    stats = pytest.importorskip("scipy.stats")
    column = differences[:, 0]
    if len(set(np.abs(column))) < 8:
        return
    diverged = column.copy()
    worst = np.abs(column).argmax()
    diverged[worst] = math.copysign(math.inf, column[worst])
    assert joint_test(diverged[:, None]).p[0] == pytest.approx(stats.wilcoxon(column, method="exact").pvalue)
