import math
from dataclasses import replace

import numpy as np
import pytest

from nanochat.experiments.ablation.cells import run_cell
from nanochat.experiments.ablation.sweep import AblationConfig, run_ablation
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.statistics.significance import seeds_needed


def compare(study):
    return analyse(study).comparisons


BASE = [2.00, 2.03, 1.98, 2.05, 2.01, 1.97, 2.02, 2.04]


def shifted(by, noise=0.001):
    """Noise whose mean is 0."""
    return [x + by + noise * y for x, y in zip(BASE, (1, -1, 0.5, -0.5, 1.5, -1.5, 0.2, -0.2), strict=True)]


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        (shifted(-0.05), "better"),
        (shifted(0.05), "worse"),
        (shifted(0.0), "no difference seen"),
        (shifted(-0.005), "better (less than the margin)"),
        (shifted(1e-6, noise=1e-7), "worse (less than the margin)"),
        (BASE, "identical"),
    ],
)
def test_the_word_for_eight_seeds(study_of, other, verdict):
    assert [one.verdict for one in compare(study_of(BASE, other))] == [verdict]


def test_noise_that_could_hide_a_difference_is_called_so_with_the_seeds_needed(study_of):
    one = compare(study_of(BASE, shifted(0.0, noise=0.02)))[0]
    assert one.word == "too noisy"
    low, high = one.seeds_needed
    assert 8 < low < seeds_needed(0.01 / np.std(one.differences, ddof=1)) < high < 300
    assert one.verdict == f"too noisy (needs {low} to {high} seeds for the margin)"
    assert compare(study_of(BASE, shifted(0.0, noise=0.02), margin=0.1))[0].word == "no difference seen"


def test_three_seeds_are_too_few_however_clear_the_difference(study_of):
    one = compare(study_of(BASE[:3], shifted(-1.0)[:3]))[0]
    assert one.p_t < 0.001
    assert (one.p_exact, one.verdict) == (0.25, "too few seeds (needs 6 seeds)")


def test_six_seeds_suffice_for_any_number_of_comparisons(study_of):
    """p = 2/64 = 0.031, in a family of one and of twelve."""
    assert compare(study_of(BASE[:6], shifted(0.1)[:6]))[0].word == "worse"
    many = compare(study_of(BASE[:6], *(shifted(0.1 * i)[:6] for i in range(1, 13))))
    assert {(one.p_joint, one.least_p, one.word) for one in many} == {(1 / 32, 1 / 32, "worse")}


def test_pairing_sees_what_the_spread_over_seeds_hides(study_of):
    one = compare(study_of(BASE, shifted(-0.015)))[0]
    assert np.std(BASE) > 0.02
    assert one.word == "better"
    assert one.interval.high < 0
    assert one.bootstrap[1] < 0


def test_a_seed_that_diverged_is_the_worst_by_ranks_and_left_out_of_the_mean(study_of):
    one = compare(study_of(BASE, [math.nan, *shifted(-1)[1:]]))[0]
    assert one.differences == tuple(b - a for a, b in zip(BASE[1:], shifted(-1)[1:], strict=True))
    assert one.word == "too noisy"  # seven better and one that is the worst
    assert one.p_exact == 0.1953125  # of Wilcoxon's table: ranks of 8 on one side, of 28 on the other
    one = compare(study_of([math.nan, *BASE[1:]], shifted(0.1)))[0]
    assert one.word == "too noisy"
    one = compare(study_of([math.nan, *BASE[1:]], shifted(-0.1)))[0]
    assert one.verdict == "better (7 of 8 pairs; baseline: 1 of 8 diverged; by signed ranks)"


def test_a_variant_that_always_diverged_is_worse_and_a_baseline_that_did_is_beaten(study_of):
    nan = math.nan
    diverged, sound = compare(study_of(BASE[:6], [nan] * 6, shifted(0.1)[:6]))
    assert diverged.verdict == "worse (0 of 6 pairs; 6 of 6 diverged; by signed ranks)"
    assert sound.word == "worse"
    assert compare(study_of([nan] * 6, BASE[:6]))[0].word == "better"


def test_two_variants_that_always_diverged_are_not_compared(study_of):
    one = compare(study_of([math.nan] * 6, [math.nan] * 6))[0]
    assert (one.verdict, one.word) == ("6 of 6 diverged; baseline: 6 of 6 diverged", "not comparable")
    assert math.isnan(one.p_joint)


def test_seeds_that_are_not_run_yet_are_left_out_and_said(study_of):
    study = study_of(BASE, shifted(-1))
    some = replace(study, results=study.results[:15], missing=(study.results[15].cell,))
    assert compare(some)[0].verdict == "better (7 of 8 pairs)"
    none = replace(study, results=study.results[:8], missing=tuple(one.cell for one in study.results[8:]))
    assert compare(none)[0].verdict == "not run"


def test_pairs_that_one_variant_lacks_do_not_take_the_word_from_another(study_of):
    study = study_of(BASE, shifted(0.2), shifted(0.1))
    some = replace(study, results=study.results[:-2], missing=tuple(one.cell for one in study.results[-2:]))
    other, one = compare(some)
    assert (other.word, one.word) == ("worse", "worse")
    few = replace(study, results=study.results[:-5], missing=tuple(one.cell for one in study.results[-5:]))
    other, one = compare(few)
    assert (other.p_joint, other.word) == (2 / 2**8, "worse")
    assert (one.p_joint, one.word) == (2 / 2**3, "too few seeds")


@pytest.mark.parametrize(("n", "verdict"), [(1, "too few seeds (needs 6 seeds)"), (2, "too few seeds (needs 6 seeds)")])
def test_one_and_two_seeds_are_too_few(study_of, n, verdict):
    one = compare(study_of(BASE[:n], shifted(-0.5)[:n]))[0]
    assert one.verdict == verdict
    assert math.isnan(one.p_t) == (n == 1)


def test_a_difference_without_any_spread_is_told_from_none(study_of):
    assert compare(study_of([2.0] * 8, [1.5] * 8))[0].verdict == "better"
    assert compare(study_of([2.0] * 8, [2.0] * 8))[0].verdict == "identical"


def test_more_seeds_than_can_be_counted_are_said_to_be_more(study_of):
    one = compare(study_of(BASE, [x + 9 * (-1) ** i for i, x in enumerate(BASE)], margin=1e-6))[0]
    assert one.verdict == "too noisy (needs 1,000 seeds or more for the margin)"


def test_an_axis_that_changes_nothing_is_called_identical_end_to_end(tiny_run, tmp_path):
    """A threshold that no gradient reaches."""
    config = AblationConfig(base=tiny_run, axes={"training.max_grad_norm": (1e6, 2e6)}, seeds=2)
    study = run_ablation(config, tmp_path)
    assert [one.verdict for one in compare(study)] == ["identical"]


def test_the_set_of_the_best_holds_what_nothing_beats(study_of):
    found = analyse(study_of(BASE, shifted(-0.5), shifted(-0.5, noise=0.002), shifted(0.5)))
    assert found.best == ("lr=2.0", "lr=3.0")
    assert analyse(study_of(BASE, shifted(-0.5), shifted(0.5))).best == ("lr=2.0",)
    assert analyse(study_of(BASE, shifted(0.0, noise=0.02))).best == ()  # nothing is shown of any


def test_where_looks_are_planned_they_decide(study_of):
    study = study_of(BASE, shifted(-0.5), shifted(0.0, noise=0.02), shifted(0.0))
    config = replace(study.config, seeds=8, looks=(6, 8), looked=(6, 8))
    found = analyse(replace(study, config=config))
    better, open_, same = found.comparisons
    assert better.verdict == "better (after 6 seeds)"
    assert open_.verdict == "undecided (after 8 seeds)"
    assert same.verdict in ("no difference seen (after 6 seeds)", "no difference seen (after 8 seeds)")
    assert (found.effects, found.best, math.isnan(better.p_joint)) == ((), (), True)


@pytest.mark.slow
def test_five_percent_of_studies_of_real_runs_without_a_difference_are_significant(study_of, tiny_run):
    """Real losses of 128 seeds, dealt into 500 studies of 8 against 8; +- 2 % is two standard deviations."""
    cells = AblationConfig(base=tiny_run, axes={"training.lr": (0.1, 0.2)}, seeds=128).cells()[:128]
    losses = [run_cell(cell).record.val_loss for cell in cells]
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(500):
        drawn = rng.choice(losses, size=16, replace=False).tolist()
        found += compare(study_of(drawn[:8], drawn[8:], margin=9.0))[0].p_exact <= 0.05
    assert found / 500 == pytest.approx(0.05, abs=0.02)
