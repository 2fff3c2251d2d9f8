"""What a reader was told wrong: each study here has one thing to hide."""

from dataclasses import replace

import pytest

from nanochat.experiments.ablation.cells import Validation
from nanochat.experiments.ablation.grid import AblationConfig
from nanochat.experiments.ablation.sweep import run_ablation
from nanochat.experiments.ablation.text import TextLoss
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.reports.study.caveats import caveats

BASE = [2.00, 2.03, 1.98, 2.05, 2.01, 1.97, 2.02, 2.04]
NOISE = [0.001, -0.001, 0.002, -0.002, 0.0005, -0.0005, 0.003, -0.003]


def moved(by, noise=1.0):
    return [loss + by + noise * rest for loss, rest in zip(BASE, NOISE, strict=True)]


def told(study, words):
    return [caveat for caveat in caveats(analyse(study)) if words in caveat]


def with_records(study, variant, **fields):
    """The study whose runs of that variant have these fields in their records."""
    results = [
        replace(one, record=replace(one.record, **fields)) if one.cell.variant == variant else one
        for one in study.results
    ]
    return replace(study, results=tuple(results))


def test_unequal_parameters_are_said(study_of):
    study = study_of(BASE, moved(-0.5))
    assert not told(study, "did not get the same number")
    n = study.results[0].record.parameter_count
    (caveat,) = told(with_records(study, "lr=2.0", parameter_count=99), "did not get the same number of parameters")
    assert "parameters ({:,} to {:,})".format(*sorted((99, n))) in caveat


def test_the_margin_is_said_where_a_verdict_needs_it(study_of):
    assert not told(study_of(BASE, moved(-0.5)), "No difference seen means")
    assert told(study_of(BASE, moved(0.0)), "No difference seen means")


def test_a_variant_that_learned_next_to_nothing_is_named(study_of):
    """ln 27 = 3.2958: a guess among all letters, and where SGD at AdamW's rate ended, below its first weights."""
    study = with_records(study_of(BASE, moved(1.2955)), "lr=2.0", initial_loss=3.31, vocab_size=27)
    study = with_records(study, "lr=1.0", initial_loss=3.31, vocab_size=27)
    (caveat,) = told(study, "Learned next to nothing")
    assert "`lr=2.0`" in caveat
    assert "`lr=1.0`" not in caveat


def test_muon_with_nothing_to_act_on_is_no_test_of_it(tiny_run, tmp_path):
    base = replace(tiny_run, mode="tensor", training=replace(tiny_run.training, optimizer="adamw", lr=0.01))
    config = AblationConfig(base=base, axes={"training.optimizer": ("adamw", "muon")}, seeds=2)
    (caveat,) = told(run_ablation(config, tmp_path), "no test of Muon")
    assert "a bigram has no hidden matrix" in caveat


def test_a_study_that_grew_without_a_plan_says_so(study_of):
    study = study_of(BASE, moved(-0.5))
    grown = replace(study, config=replace(study.config, grown=(4, 6)))
    assert told(grown, "reported with 4 and 6 seeds before it grew without a plan")


def test_losses_without_blocks_of_text_are_for_this_text_alone(study_of):
    assert told(study_of(BASE, moved(-0.5)), "for this text alone")


def test_a_spread_that_dwarfs_another_is_named(study_of):
    (caveat,) = told(study_of(moved(0, noise=0), [2.0 + x for x in NOISE]), "scatter far more")
    assert "`lr=1.0`" in caveat


@pytest.mark.parametrize(
    ("gaps", "words"),
    [((0.4, 0.2, 0.1), "shrank from 0.4 nats"), ((-0.2, 0.1, 0.2), "had the other sign"), ((0.2, 0.2, 0.2), "")],
)
def test_a_difference_that_does_not_last_is_said(study_of, gaps, words):
    study = study_of(BASE, moved(gaps[-1]))
    results = []
    for one in study.results:
        is_base = one.cell.variant == "lr=1.0"
        noise = NOISE[one.record.seed - study.config.base.seed]
        points = (Validation(2 * (i + 1), 2 + (0 if is_base else gap + noise)) for i, gap in enumerate(gaps))
        results.append(replace(one, validations=tuple(points)))
    found = told(replace(study, results=tuple(results)), "a longer run may say otherwise")
    assert [words in caveat for caveat in found] == ([True] if words else [])


def test_an_axis_of_rates_is_no_tuning(tiny_run, study_of):
    axes = {"training.lr": (0.1, 0.3), "training.max_grad_norm": (1e6, 2e6)}
    config = AblationConfig(base=tiny_run, axes=axes, seeds=1)
    study = study_of(BASE[:2], BASE[:2])
    results = tuple(
        replace(one, cell=cell, record=replace(one.record, seed=cell.config.seed))
        for one, cell in zip(study.results, config.cells(), strict=True)
    )
    study = replace(study, config=config, results=results)
    assert told(study, "`--tune lr=...`")
    assert told(study, "is at the edge of those tried")


def test_one_rate_for_all_is_said(tiny_run, tmp_path):
    config = AblationConfig(base=tiny_run, axes={"training.warmup": (0, 1)}, seeds=1)
    assert told(run_ablation(config, tmp_path), "All variants use the same learning rate")


def test_a_difference_that_another_text_might_not_show_says_so(study_of):
    """Seeds agree to 0.001 nats; blocks of the text differ by far more, and in sign."""
    study = study_of(BASE, moved(-0.05))
    blocks = {"lr=1.0": (2.0, 2.0, 2.0, 2.0), "lr=2.0": (1.0, 2.9, 1.2, 2.7)}
    results = [
        replace(
            one,
            text=TextLoss(tuple(x + 0.001 * i for x in blocks[one.cell.variant]), 64, is_whole=False),
        )
        for i, one in enumerate(study.results)
    ]
    (caveat,) = told(replace(study, results=tuple(results)), "Shown for this text alone")
    assert "`lr=2.0`" in caveat
    assert not told(study, "Shown for this text alone")


def test_what_the_author_of_a_study_says_is_carried(study_of):
    study = study_of(BASE, moved(-0.05))
    known = replace(study, config=replace(study.config, caveats=("positions are added with amplitude 1",)))
    assert caveats(analyse(known))[0] == "positions are added with amplitude 1"
    assert known.config.planned == study.config.planned
