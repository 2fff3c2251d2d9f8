import math
from dataclasses import replace

import numpy as np
import pytest

from nanochat.experiments.ablation.cells import run_cell
from nanochat.experiments.ablation.sweep import AblationConfig, run_ablation
from nanochat.experiments.analysis.findings import analyse


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
    assert 8 < one.seeds_needed < 200
    assert one.verdict == f"too noisy (needs {one.seeds_needed} seeds)"
    assert compare(study_of(BASE, shifted(0.0, noise=0.02), margin=0.1))[0].word == "no difference seen"


def test_three_seeds_are_too_few_however_clear_the_difference(study_of):
    one = compare(study_of(BASE[:3], shifted(-1.0)[:3]))[0]
    assert one.p_t < 0.001
    assert (one.p_exact, one.verdict) == (0.25, "too few seeds (needs 6 seeds)")


def test_more_comparisons_ask_for_more(study_of):
    """Six seeds: p = 2/64 = 0.031 alone, 0.062 as one of two."""
    assert compare(study_of(BASE[:6], shifted(0.1)[:6]))[0].word == "worse"
    pair = compare(study_of(BASE[:6], shifted(0.1)[:6], shifted(0.2)[:6]))
    assert [(one.p_exact, one.p_holm, one.word) for one in pair] == [(1 / 32, 1 / 16, "too few seeds")] * 2


def test_pairing_sees_what_the_spread_over_seeds_hides(study_of):
    one = compare(study_of(BASE, shifted(-0.015)))[0]
    assert np.std(BASE) > 0.02
    assert one.word == "better"
    assert one.interval.high < 0
    assert one.bootstrap[1] < 0


def test_a_seed_that_diverged_is_left_out_of_its_pair_alone_and_said(study_of):
    one = compare(study_of(BASE, [math.nan, *shifted(-1)[1:]]))[0]
    assert one.differences == tuple(b - a for a, b in zip(BASE[1:], shifted(-1)[1:], strict=True))
    assert one.verdict == "better (7 of 8 pairs; 1 of 8 diverged)"
    one = compare(study_of([math.nan, *BASE[1:]], shifted(0.1)))[0]
    assert one.verdict == "worse (7 of 8 pairs; baseline: 1 of 8 diverged)"


def test_a_variant_without_a_pair_is_not_compared_and_asks_no_question(study_of):
    nan = math.nan
    diverged, sound = compare(study_of(BASE[:6], [nan] * 6, shifted(0.1)[:6]))
    assert (diverged.verdict, diverged.word) == ("6 of 6 diverged", "not comparable")
    assert math.isnan(diverged.p_holm)
    assert sound.word == "worse"  # one comparison only
    assert compare(study_of([nan] * 6, BASE[:6]))[0].verdict == "baseline: 6 of 6 diverged"


def test_seeds_that_are_not_run_yet_are_left_out_and_said(study_of):
    study = study_of(BASE, shifted(-1))
    some = replace(study, results=study.results[:15], missing=(study.results[15].cell,))
    assert compare(some)[0].verdict == "better (7 of 8 pairs)"
    none = replace(study, results=study.results[:8], missing=tuple(one.cell for one in study.results[8:]))
    assert compare(none)[0].verdict == "not run"


def test_pairs_that_one_variant_lacks_do_not_take_the_word_from_another(study_of):
    """Seven pairs: p = 2/128, twice that after the first of two; a variant with eight stands before it."""
    other, one = compare(study_of(BASE, shifted(0.2), [math.nan, math.nan, *shifted(0.1)[2:]]))
    assert (other.p_holm, one.p_holm) == (4 / 2**8, 2 / 2**6)
    assert (other.word, one.word) == ("worse", "worse")


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
    assert one.verdict == "too noisy (needs 1,000 seeds or more)"


def test_an_axis_that_changes_nothing_is_called_identical_end_to_end(tiny_run, tmp_path):
    """A threshold that no gradient reaches."""
    config = AblationConfig(base=tiny_run, axes={"training.max_grad_norm": (1e6, 2e6)}, seeds=2)
    study = run_ablation(config, tmp_path)
    assert [one.verdict for one in compare(study)] == ["identical"]


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
