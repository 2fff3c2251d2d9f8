import math

from nanochat.experiments.ablate import AblationConfig, run_ablation
from nanochat.experiments.answer import answer, headline, p_text, signed
from nanochat.experiments.comparisons import effects

BASE = [2.00, 2.03, 1.98, 2.05, 2.01, 1.97, 2.02, 2.04]
NOISE = [0.001, -0.001, 0.002, -0.002, 0.0005, -0.0005, 0.003, -0.003]


def moved(by):
    return [loss + by + noise for loss, noise in zip(BASE, NOISE, strict=True)]


def test_a_variant_that_beats_the_baseline_is_said_to_with_the_numbers(study_of):
    study = study_of(BASE, moved(-0.5), moved(0.5))
    assert headline(study) == "lr=2.0 beats lr=1.0 by 0.5000 nats"
    text = answer(study)
    assert text.startswith("`lr=2.0` ends lowest, at 1.5125 ± 0.02")
    assert "against the baseline `lr=1.0`: **better** by 0.5000 (0.4983 to 0.5017, p = 0.016)" in text
    assert "The others: `lr=3.0` **worse** by 0.5000" in text


def test_a_baseline_that_nothing_beats(study_of):
    assert headline(study_of(BASE, moved(0.5))) == "No variant beats lr=1.0: worse, each of them"
    study = study_of(BASE, moved(0.5), moved(0.0))
    assert headline(study) == "No variant beats lr=1.0: 1 of 2 shown to be worse"
    assert "and is the baseline. Against the baseline, `lr=2.0` **worse**" in answer(study)
    assert "`lr=3.0` **no difference seen** (-0.0017 to +0.0017)" in answer(study)


def test_a_lead_that_may_be_chance_is_not_called_better(study_of):
    study = study_of(BASE[:3], moved(-0.5)[:3])
    assert headline(study) == "lr=2.0 ends lowest, but is not shown to beat lr=1.0: too few seeds (needs 6 seeds)"
    assert "**too few seeds** (-0.50" in answer(study)
    assert headline(study_of([2.0], [1.0])).endswith("too few seeds (needs 6 seeds)")


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
    study = study_of([nan, 2.0], [1.0, 2.0])
    assert headline(study) == "lr=2.0 ends lowest, but is not shown to beat lr=1.0: the baseline did not end well"
    assert "cannot be compared with the baseline `lr=1.0`" in answer(study)


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


def test_numbers_are_spelled_with_their_sign():
    assert [signed(x) for x in (0.01, -0.01, -0.00001, math.nan)] == ["+0.0100", "-0.0100", "0.0000", "-"]
    assert [p_text(p) for p in (1, 0.0078125, 0.00001, math.nan)] == ["1", "0.0078", "< 0.0001", "-"]
