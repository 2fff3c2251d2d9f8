import math
from dataclasses import replace

from nanochat.experiments.ablation.sweep import AblationConfig, run_ablation
from nanochat.experiments.analysis.comparisons import effects
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.reports import sentences
from nanochat.experiments.reports.study.report import MARKDOWN

BASE = [2.00, 2.03, 1.98, 2.05, 2.01, 1.97, 2.02, 2.04]
NOISE = [0.001, -0.001, 0.002, -0.002, 0.0005, -0.0005, 0.003, -0.003]


def headline(study):
    return sentences.headline(analyse(study))


def answer(study, style=MARKDOWN):
    return sentences.answer(analyse(study), style)


def moved(by):
    return [loss + by + noise for loss, noise in zip(BASE, NOISE, strict=True)]


def test_a_variant_that_beats_the_baseline_is_said_to_with_the_numbers(study_of):
    study = study_of(BASE, moved(-0.5), moved(0.5))
    assert headline(study) == "lr=2.0 beats lr=1.0 by 0.5000 nats"
    text = answer(study)
    assert text.startswith("`lr=2.0` ends lowest, at 1.5125 ± 0.02")
    assert "against the baseline `lr=1.0`: **better** by 0.5000 (0.4983 to 0.5017, p = 0.016)" in text
    assert "The others: `lr=3.0` **worse** by 0.5000" in text


def test_an_answer_is_plain_words_and_a_document_says_how_names_and_verdicts_look(study_of):
    found = analyse(study_of(BASE, moved(-0.5)))
    best, one = replace(found.ranking[0], name="a`*b"), replace(found.comparisons[0], variant="a`*b")
    renamed = replace(found, ranking=(best, found.ranking[1]), comparisons=(one,))
    plain, marked = sentences.answer(renamed), sentences.answer(renamed, MARKDOWN)
    assert plain.startswith("a`*b ends lowest, at 1.5125")
    assert "; against the baseline lr=1.0: better by 0.5000 (" in plain
    assert marked.startswith("``a`*b`` ends lowest, at 1.5125")
    assert "; against the baseline `lr=1.0`: **better** by 0.5000 (" in marked


def test_a_baseline_that_nothing_beats(study_of):
    assert headline(study_of(BASE, moved(0.5))) == "lr=2.0 is worse than lr=1.0 by 0.5000 nats"
    assert headline(study_of(BASE, moved(0.5), moved(0.6))) == "All other variants are worse than lr=1.0"
    study = study_of(BASE, moved(0.5), moved(0.0))
    assert headline(study) == "No variant is shown to beat lr=1.0; 1 of 2 are shown to be worse"
    assert answer(study).startswith("No variant ends lower than the baseline `lr=1.0`, at 2.0125 ± 0.02")
    assert " Against the baseline, `lr=2.0` **worse**" in answer(study)
    assert "`lr=3.0` **no difference seen** (-0.0017 to +0.0017)" in answer(study)


def test_a_lead_that_may_be_chance_is_not_called_better(study_of):
    study = study_of(BASE[:3], moved(-0.5)[:3])
    assert headline(study) == "lr=2.0 ends lowest, but is not shown to beat lr=1.0: too few seeds (needs 6 seeds)"
    assert "**too few seeds** (-0.50" in answer(study)
    assert headline(study_of([2.0], [1.0])).endswith("too few seeds (needs 6 seeds)")


def test_a_baseline_that_ends_lowest_with_too_few_seeds_is_not_said_to_be_unbeaten(study_of):
    text = headline(study_of(BASE[:3], moved(0.5)[:3], moved(0.6)[:3]))
    assert text == "lr=1.0 ends lowest, but no difference is shown: too few seeds (needs 7 seeds)"


def test_an_interval_that_holds_zero_is_printed_with_its_sign(study_of):
    """One seed far off: every difference is above 0, so the exact test decides, but Student's interval is wide."""
    worse = study_of(BASE, [x + 0.1 + 5 * (i == 0) for i, x in enumerate(BASE)])
    interval = analyse(worse).comparisons[0].interval
    low, high = interval.low, interval.high
    assert low < 0 < high
    assert f"**worse** by 0.7250 ({low:.4f} to {high:.4f}, p = 0.0078)" in answer(worse)
    better = study_of(BASE, [x - 0.1 - 5 * (i == 0) for i, x in enumerate(BASE)])
    assert f"**better** by 0.7250 ({low:.4f} to {high:.4f}, p = 0.0078)" in answer(better)


def test_axes_that_change_nothing_are_said_to(study_of):
    assert headline(study_of(BASE, BASE)) == "lr=2.0 is identical to lr=1.0"
    assert answer(study_of(BASE, BASE)).startswith("Nothing changes: every variant ends, seed by seed, where")


def test_too_few_seeds_for_every_comparison_are_said_once(study_of):
    text = answer(study_of(BASE[:3], moved(-0.5)[:3], moved(0.5)[:3]))
    assert text.endswith("; **too few seeds** to say more: the exact test needs 7 for 2 comparisons.")
    assert text.count("too few") == 1


def test_many_variants_are_counted(study_of):
    study = study_of(BASE, *(moved(0.1 * i) for i in range(1, 7)), BASE)
    assert "Of the others, 6 worse, 1 identical." in answer(study)


def test_what_diverged_is_not_compared(study_of):
    nan = math.nan
    assert headline(study_of([nan, 2.0], [nan, nan])) == "No variant ended well with every seed"
    assert answer(study_of([nan, 2.0], [nan, nan])).startswith("None")
    text = answer(study_of([2.0] * 6, [1.0] * 6, [nan] * 6))
    assert text.startswith("`lr=2.0` ends lowest of those that ended well with every seed, at 1.0000")
    assert "Not compared: `lr=3.0` (6 of 6 diverged)." in text


def test_the_lowest_of_the_sound_is_not_called_the_lowest_of_all(study_of):
    study = study_of(BASE, [math.nan, *moved(-0.5)[1:]])
    assert headline(study).startswith("Of those that ended well with every seed: lr=1.0 ends lowest")
    text = answer(study)
    assert text.startswith("No variant of those that ended well with every seed ends lower than the baseline `lr=1.0`")
    assert "`lr=2.0` **better** by 0.5" in text
    assert "p = 0.016, 7 of 8 pairs, 1 of 8 diverged)" in text


def test_an_unfinished_study_is_answered_so_far(study_of):
    study = study_of(BASE, moved(-0.5))
    part = replace(study, results=study.results[:15], missing=(study.results[15].cell,))
    assert answer(part).startswith("`lr=2.0` ends lowest so far (15 of 16 cells), at ")


def test_an_axis_is_judged_by_its_average_over_the_others(tiny_run, tmp_path):
    axes = {"training.lr": (0.03, 0.3), "training.max_grad_norm": (1e6, 2e6)}
    study = run_ablation(AblationConfig(base=tiny_run, axes=axes, seeds=3), tmp_path)
    lr, clipping = effects(study)
    losses = {(r.cell.variant, r.cell.config.seed): r.record.val_loss for r in study.results}
    assert lr.variant == "lr=0.3"
    assert (
        lr.differences[1] == losses["lr=0.3_max_grad_norm=1000000.0", 6] - losses["lr=0.03_max_grad_norm=1000000.0", 6]
    )
    assert clipping.verdict == "identical"
    assert "On average over the other axes: `lr=0.3` **too few seeds**" in answer(study)
