import numpy as np
import pytest

from nanochat.experiments.statistics.joint import joint_test
from nanochat.experiments.statistics.sequential import SequentialPlan, decide

PLAN = SequentialPlan(looks=(8, 12, 16))


def noise(n, k, seed=0):
    return np.random.default_rng(seed).normal(size=(n, k))


def test_alpha_is_spent_look_by_look_and_at_the_last_whole():
    assert PLAN.spent == pytest.approx((0.0310, 0.0414, 0.05), abs=1e-4)
    assert (PLAN.least, PLAN.most, PLAN.passed(13)) == (8, 16, [8, 12])


@pytest.mark.parametrize("most", [7, 12, 16])
def test_the_fewest_seeds_that_tell_are_the_first_at_which_a_sure_difference_is_shown(most):
    sure = np.arange(1.0, most + 1)[:, None] / 1e3 + 1
    told = [n for n in range(2, most) if decide(sure[:n], SequentialPlan(looks=(n, most))).verdicts == ("different",)]
    assert SequentialPlan(looks=(most,)).least_telling == min(told, default=most)
    assert SequentialPlan(looks=(5,)).least_telling == 0


def test_a_clear_difference_is_decided_at_the_first_look():
    found = decide(noise(8, 1) * 0.1 + 1, PLAN)
    assert (found.verdicts, found.n_seeds, found.stop) == (("different",), (8,), True)
    assert found.low[0] > 0
    assert found.spent == PLAN.spent[0]


def test_what_is_open_goes_on_to_the_next_look_and_ends_with_the_last():
    differences = noise(16, 1, seed=1)
    assert decide(differences[:8], PLAN).next_look == 12
    assert decide(differences[:9], PLAN).next_look == 12
    assert decide(differences[:12], PLAN).next_look == 16
    last = decide(differences, PLAN)
    assert (last.verdicts, last.next_look, last.stop) == (("open",), 0, True)
    assert last.low[0] <= 0 <= last.high[0]


def test_what_lies_within_the_margin_needs_no_more_seeds():
    found = decide(noise(8, 1) * 0.001, PLAN)
    assert (found.verdicts, found.stop) == (("equivalent",), True)


def test_before_the_first_look_nothing_is_read():
    found = decide(noise(7, 1) + 9, PLAN)
    assert (found.verdicts, found.next_look, found.spent) == (("open",), 8, 0.0)


def test_a_decided_comparison_keeps_its_verdict_without_later_seeds():
    differences = noise(12, 2, seed=1)
    differences[:, 0] = differences[:, 0] * 0.1 + 1
    first = decide(differences[:8], PLAN)
    differences[8:, 0] = np.nan
    second = decide(differences, PLAN)
    assert (first.verdicts[0], second.verdicts[0]) == ("different", "different")
    assert (second.n_seeds, second.low[0]) == ((8, 12), first.low[0])


@pytest.mark.parametrize("seed", range(20))
def test_one_look_is_the_test_of_a_fixed_number_of_seeds(seed):
    differences = noise(8, 3, seed) + np.array([0, 1, 2])
    found, test = decide(differences, SequentialPlan(looks=(8,))), joint_test(differences)
    assert [word == "different" for word in found.verdicts] == [p <= 0.05 for p in test.p_joint]
    assert found.low.tolist() == test.low.tolist()


def test_runs_that_diverged_count_as_the_largest_ranks():
    found = decide(np.full((8, 1), np.inf), PLAN)
    assert found.verdicts == ("different",)


@pytest.mark.parametrize("looks", [(), (8, 8), (12, 8), (1, 8)])
def test_looks_that_do_not_rise_are_refused(looks):
    with pytest.raises(ValueError, match="do not rise"):
        SequentialPlan(looks=looks)


@pytest.mark.parametrize(("alpha", "margin"), [(0, 0.01), (1, 0.01), (0.05, 0)])
def test_a_plan_with_nothing_to_spend_is_refused(alpha, margin):
    with pytest.raises(ValueError, match=r"alpha=|margin="):
        SequentialPlan(looks=(8,), alpha=alpha, margin=margin)
