from nanochat.experiments.statistics import mean
from nanochat.experiments.summary import spell, summarise


def test_variants_stand_by_mean_loss_and_diverged_ones_last(study_of):
    nan = float("nan")
    names = [summary.name for summary in summarise(study_of((0.1, nan), (2.0, 2.2), (1.0, 3.0)))]
    assert names == ["lr=3.0", "lr=2.0", "lr=1.0"]


def test_means_are_over_the_seeds_that_ended_well(study_of):
    summary = summarise(study_of((2.0, 3.0), (5.0, float("nan"))))[1]
    assert (summary.val_loss.mean, summary.ending, len(summary.ok)) == (5.0, "1 of 2 diverged", 1)
    assert summary.mean_of("val_loss") == mean([5.0])


def test_numbers_are_spelled_to_be_read():
    assert [spell(x) for x in (2.41004, 0.0, 1e142, float("nan"))] == ["2.4100", "0.0000", "1.00e+142", "-"]
