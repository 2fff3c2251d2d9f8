from dataclasses import replace

import pytest

from nanochat.experiments.ladder.climb import climb
from nanochat.experiments.ladder.lasting import outlooks
from nanochat.experiments.ladder.report import ladder_report


@pytest.fixture
def six(ladder):
    """Six seeds, of which a verdict can be had, and three rungs within a third of the last."""
    return replace(ladder, study=replace(ladder.study, seeds=6), values=(2, 4, 8, 24))


def test_a_difference_that_lasts_to_a_third_is_expected_at_the_end(six, run, tmp_path):
    climbed = climb(six, tmp_path, run())
    (one,) = outlooks(climbed)
    assert (one.rung, one.word, one.does, one.expected, one.last, one.found) == (
        8,
        "worse",
        "lasts",
        "worse",
        24,
        "worse",
    )
    assert "| `lr=0.1` | worse | lasts | worse | worse | yes |" in ladder_report(climbed)


def test_of_a_difference_that_shrinks_nothing_is_foretold(six, run, tmp_path):
    (one,) = outlooks(climb(six, tmp_path, run(gap=lambda value: 0.4 / value)))
    assert (one.word, one.does, one.expected) == ("worse", "shrinks", None)


def test_a_verdict_that_turned_out_otherwise_is_told(six, run, tmp_path):
    climbed = climb(six, tmp_path, run(gap=lambda value: -0.2 if value == 24 else 0.2))
    assert (outlooks(climbed)[0].expected, outlooks(climbed)[0].found) == ("worse", "better")
    assert "| worse | lasts | worse | better | **no** |" in ladder_report(climbed)


def test_fewer_than_three_rungs_within_a_third_tell_nothing(six, run, tmp_path):
    climbed = climb(replace(six, values=(2, 4, 8, 16)), tmp_path, run())
    assert outlooks(climbed) == []
    assert "Verdicts from a third" not in ladder_report(climbed)
