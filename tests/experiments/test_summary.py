from dataclasses import replace

import pytest

from nanochat.experiments.ablate import AblationConfig, run_ablation
from nanochat.experiments.report import answer
from nanochat.experiments.statistics import mean
from nanochat.experiments.study import Study
from nanochat.experiments.summary import find, headline, spell, summarise


@pytest.fixture(scope="module")
def template(tiny_run, tmp_path_factory):
    """A real result, to be given other losses."""
    folder = tmp_path_factory.mktemp("study")
    return run_ablation(AblationConfig(base=tiny_run, seeds=1), folder).results[0]


@pytest.fixture
def study_of(tiny_run, template):
    """A study whose variants lr=1, lr=2, ... end at the given losses, one a seed; nan has diverged."""

    def build(*losses):
        rates = tuple(float(i + 1) for i in range(len(losses)))
        config = AblationConfig(base=tiny_run, axes={"training.lr": rates}, seeds=len(losses[0]))
        ends = [loss for variant in losses for loss in variant]
        results = [
            replace(
                template,
                cell=cell,
                record=replace(
                    template.record, val_loss=loss, seed=cell.config.seed, status="ok" if loss == loss else "diverged"
                ),
            )
            for cell, loss in zip(config.cells(), ends, strict=True)
        ]
        return Study(config, tuple(results), (), {})

    return build


def test_variants_stand_by_mean_loss_and_diverged_ones_last(study_of):
    nan = float("nan")
    names = [summary.name for summary in summarise(study_of((0.1, nan), (2.0, 2.2), (1.0, 3.0)))]
    assert names == ["lr=3.0", "lr=2.0", "lr=1.0"]


def test_a_clear_winner_is_named(study_of):
    finding = find(summarise(study_of((2.0, 2.01), (2.9, 2.91))))
    assert headline(finding) == "lr=1.0 is best, 0.9000 nats ahead of lr=2.0"
    assert "do not overlap" in answer(finding)


def test_overlapping_intervals_are_no_clear_winner(study_of):
    finding = find(summarise(study_of((2.0, 2.2), (2.1, 2.3))))
    assert headline(finding) == "No clear winner: lr=1.0 leads lr=2.0 by 0.1000 nats"
    assert "overlap: 2 seeds do not settle" in answer(finding)


def test_leaders_who_are_level_are_named_together(study_of):
    finding = find(summarise(study_of((2.0, 2.01), (2.005, 2.01), (3.0, 3.01))))
    assert headline(finding) == "lr=1.0 and lr=2.0 lead; the rest end 1.0000 nats or more behind"
    assert answer(finding).endswith("The next, `lr=3.0`, is 1.0000 behind the best and clear of it.")


def test_one_seed_settles_nothing(study_of):
    finding = find(summarise(study_of((2.0,), (3.0,))))
    assert headline(finding).endswith("too few seeds to tell")
    assert "may be chance" in answer(finding)


def test_what_is_left_of_a_study_that_diverged(study_of):
    nan = float("nan")
    assert find(summarise(study_of((nan, 2.0), (nan, nan)))) is None
    assert "every variant" in answer(None)
    alone = find(summarise(study_of((nan, 2.0), (1.0, 2.0))))
    assert headline(alone) == "lr=2.0 ends at 1.5000 nats"
    assert "nothing to compare it with" in answer(alone)


def test_means_are_over_the_seeds_that_ended_well(study_of):
    summary = summarise(study_of((2.0, 3.0), (5.0, float("nan"))))[1]
    assert (summary.val_loss.mean, summary.n_diverged, len(summary.ok)) == (5.0, 1, 1)
    assert summary.mean_of("val_loss") == mean([5.0])


def test_numbers_are_spelled_to_be_read():
    assert [spell(x) for x in (2.41004, 0.0, 1e142, float("nan"))] == ["2.4100", "0.0000", "1.00e+142", "-"]
