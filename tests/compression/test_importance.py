"""Which weights stay, by the formulas spelled out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.compression.importance import Pattern, check_rows, keep_best, keep_best_of_all, magnitude, wanda
from nanochat.errors import ConfigError

R = np.random.default_rng(0)


def test_the_order_of_wanda_is_that_of_its_formula():
    weight, x = R.standard_normal((5, 6)), R.standard_normal((30, 6)) * [1, 9, 1, 1, 0.1, 3]
    score = wanda(weight, x.T @ x)
    expected = [[abs(weight[i, j]) * np.sqrt(sum(row[j] ** 2 for row in x)) for j in range(6)] for i in range(5)]
    np.testing.assert_allclose(score, expected, rtol=1e-12)
    mask = keep_best(score, Pattern(0.5), per="row")
    for i in range(5):
        assert set(np.flatnonzero(mask[i])) == set(sorted(range(6), key=lambda j: -expected[i][j])[:3])


@given(seed=st.integers(0, 99), sparsity=st.floats(0, 0.99), per=st.sampled_from(["row", "matrix"]))
def test_what_stays_is_the_largest_and_as_much_as_was_asked_for(seed, sparsity, per):
    weight = np.random.default_rng(seed).standard_normal((4, 7))
    mask = keep_best(magnitude(weight), Pattern(sparsity), per=per)
    parts = [(weight[i], mask[i]) for i in range(4)] if per == "row" else [(weight, mask)]
    for values, kept in parts:
        assert abs(kept.size - kept.sum() - kept.size * sparsity) <= 0.5
        if kept.any() and not kept.all():
            assert np.abs(values)[kept].min() >= np.abs(values)[~kept].max()


@given(seed=st.integers(0, 99), n_in=st.integers(1, 11))
def test_two_of_four_neighbours_stay_in_every_row(seed, n_in):
    weight = np.random.default_rng(seed).standard_normal((3, n_in))
    mask = keep_best(np.abs(weight), Pattern(n=2, m=4), per="row")
    for j in range(0, n_in - 3, 4):
        assert (mask[:, j : j + 4].sum(1) == 2).all()
    assert (mask[:, n_in // 4 * 4 :].sum(1) == -(-(n_in % 4) // 2)).all()


def test_over_all_matrices_one_may_lose_more():
    scores = {"small": np.full((2, 2), 0.1), "large": np.full((2, 2), 9.0)}
    masks = keep_best_of_all(scores, Pattern(0.5))
    assert (masks["small"].sum(), masks["large"].sum()) == (0, 4)


def test_a_row_of_which_nothing_is_left_is_named():
    mask = np.ones((3, 4), bool)
    check_rows({"w": mask})
    mask[1] = False
    with pytest.raises(ConfigError, match="row 1 of w would keep no weight"):
        check_rows({"w": mask})


@pytest.mark.parametrize("fields", [{"sparsity": 1.0}, {"sparsity": -0.1}, {"n": 4, "m": 4}, {"n": 0, "m": 4}])
def test_a_pattern_that_leaves_nothing_or_takes_nothing_is_refused(fields):
    with pytest.raises(ConfigError):
        Pattern(**fields)
