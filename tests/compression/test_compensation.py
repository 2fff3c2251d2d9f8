"""Compensation against a reference of its own, which solves anew at every column what the factor knows beforehand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.checkpoints.formats.packing import pack
from nanochat.compression.compensation import Leaving, Rounding, compensate, damped
from nanochat.compression.importance import Pattern
from nanochat.compression.rounding import round_to_nearest


def problem(seed, n_out=6, n_in=12, n_rows=60):
    """A weight, and inputs of which some go together."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n_rows, n_in)) @ (np.eye(n_in) + 0.5 * rng.standard_normal((n_in, n_in)))
    return rng.standard_normal((n_out, n_in)).astype(np.float32), x, x.T @ x


def reference(weight, gram, settle):
    """Optimal Brain Surgeon, columns in order: what is left open is solved for by least squares, each time anew.

    With H of the open columns k > j: the best answer to an error e in column j is  w_k += e H_kk^-1 H_kj.
    """
    h, w = damped(gram), np.array(weight, np.float64)
    for j in range(w.shape[1]):
        settled = settle(j, w, 1 / np.linalg.inv(h[j:, j:])[0, 0])
        error = w[:, j] - settled
        w[:, j] = settled
        w[:, j + 1 :] += (
            np.outer(error, np.linalg.solve(h[j + 1 :, j + 1 :], h[j + 1 :, j])) if j + 1 < w.shape[1] else 0
        )
    return w


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("group", [0, 4])
def test_rounding_is_that_of_the_reference(seed, group):
    weight, _, gram = problem(seed)
    ours = Rounding("int4", group, weight.shape)
    got = compensate(weight, gram, ours)
    theirs = Rounding("int4", group, weight.shape)
    expected = reference(weight, gram, lambda j, w, _: theirs.settle(j, w, np.ones(w.shape[1])))
    np.testing.assert_allclose(got, expected, atol=1e-6)  # the result is float32
    pack("w", got, ours.stored)


@pytest.mark.parametrize("seed", range(4))
def test_leaving_out_is_that_of_the_reference(seed):
    """In blocks of 4, whose costs are (w_j)^2 / (H^-1)_jj, by the inverse over the columns that are open at j."""
    weight, _, gram = problem(seed)
    h = damped(gram)
    mask = np.ones(weight.shape, bool)

    def settle(j, w, _):
        if j % 4 == 0:
            costs = np.stack([w[:, k] ** 2 / np.linalg.inv(h[k:, k:])[0, 0] for k in range(j, j + 4)], axis=1)
            for row, cost in enumerate(costs):
                mask[row, j + np.argsort(cost)[:2]] = False
        return w[:, j] * mask[:, j]

    rule = Leaving(Pattern(n=2, m=4), weight.shape)
    got = compensate(weight, gram, rule)
    np.testing.assert_allclose(got, reference(weight, gram, settle), atol=1e-6)
    np.testing.assert_array_equal(rule.mask, mask)
    assert not got[~mask].any()


@given(seed=st.integers(0, 400), group=st.sampled_from([0, 4]))
def test_on_the_calibration_text_it_is_nearer_than_rounding_to_nearest(seed, group):
    weight, x, gram = problem(seed, n_out=40)
    compensated = compensate(weight, gram, Rounding("int4", group, weight.shape))
    nearest, _ = round_to_nearest(weight, "int4", group)
    ours, theirs = (np.linalg.norm(x @ (w - weight).T) for w in (compensated, nearest))
    assert ours < theirs


def test_inputs_that_never_come_do_not_matter():
    weight, _, gram = problem(0)
    got = compensate(weight, np.zeros_like(gram), Rounding("int8", 0, weight.shape))
    np.testing.assert_allclose(got, round_to_nearest(weight, "int8")[0], atol=1e-6)
