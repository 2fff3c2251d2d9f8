from dataclasses import replace

from nanochat.experiments.analysis.summary import summarise
from nanochat.experiments.statistics.intervals import mean


def test_variants_stand_by_mean_loss_and_diverged_ones_last(study_of):
    nan = float("nan")
    names = [summary.name for summary in summarise(study_of((0.1, nan), (2.0, 2.2), (1.0, 3.0)))]
    assert names == ["lr=3.0", "lr=2.0", "lr=1.0"]


def test_means_are_over_the_seeds_that_ended_well(study_of):
    summary = summarise(study_of((2.0, 3.0), (5.0, float("nan"))))[1]
    assert (summary.val_loss.mean, summary.ending, summary.seeds) == (5.0, "1 of 2 diverged", "1 of 2")
    assert summary.mean_of("val_loss") == mean([5.0])


def test_a_bad_run_stands_for_its_variant_only_where_there_is_no_good_one(study_of):
    nan = float("nan")
    _, half, none = summarise(study_of((2.0, 3.0), (nan, 5.0), (nan, nan)))
    assert (half.record.seed, half.record.status) == (6, "ok")
    assert (none.record.status, none.seeds, none.ending) == ("diverged", "0 of 2", "2 of 2 diverged")


def test_endings_of_several_kinds_are_counted_apart(study_of):
    study = study_of((2.0, 3.0, 4.0), (float("nan"), 2.0, 3.0))
    results = list(study.results)
    results[4] = replace(results[4], record=replace(results[4].record, status="failed"))
    summary = summarise(replace(study, results=tuple(results)))[1]
    assert (summary.ending, summary.seeds) == ("1 of 3 diverged, 1 of 3 failed", "1 of 3")


def test_seeds_that_are_not_run_yet_are_counted(study_of):
    study = study_of((2.0, 3.0), (1.0, 2.0))
    part = replace(study, results=study.results[:3], missing=(study.results[3].cell,))
    assert [summary.seeds for summary in summarise(part)] == ["1 of 2", "2"]
