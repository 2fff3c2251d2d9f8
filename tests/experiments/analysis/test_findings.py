import sys
from collections import Counter

import pytest

from nanochat.cli.app import main
from nanochat.experiments.ablation import study
from nanochat.experiments.analysis.effects import effects, interactions
from nanochat.experiments.analysis.family import conclude
from nanochat.experiments.analysis.findings import analyse
from nanochat.experiments.analysis.summary import summarise
from nanochat.experiments.statistics.joint import joint_test

COUNTED = {f.__code__: f.__name__ for f in (summarise, conclude, effects, interactions, joint_test, study._content)}


def calls_of(*words):
    """How often `nanochat <words>` calls each of the counted functions, whoever imported them."""
    calls = Counter()

    def count(frame, event, _):
        if event == "call" and frame.f_code in COUNTED:
            calls[COUNTED[frame.f_code]] += 1

    sys.setprofile(count)
    try:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
    finally:
        sys.setprofile(None)
    assert not left.value.code
    return calls


def test_a_study_is_analysed_once_and_each_of_its_cells_is_read_once(tiny_text, tmp_path):
    """Four variants with two seeds: all their comparisons in one test."""
    once = {"summarise": 1, "conclude": 1, "effects": 1, "interactions": 1, "joint_test": 1, "_content": 8}
    tiny = ("--jobs", 1, "--steps", 2, "--seeds", 2, "--eval-every", 0, "--set", "eval_tokens=16")
    assert calls_of("ablate", "--data", tiny_text, *tiny, "--out", tmp_path / "study") == once
    assert calls_of("report", tmp_path / "study") == once


def test_the_ranking_holds_all_and_the_complete_are_those_that_ended_well_with_every_seed(study_of):
    nan = float("nan")
    found = analyse(study_of((2.0, 2.1), (1.0, nan), (3.0, 3.1)))
    assert [summary.name for summary in found.ranking] == ["lr=1.0", "lr=3.0", "lr=2.0"]
    assert [summary.name for summary in found.complete] == ["lr=1.0", "lr=3.0"]
    assert (found.baseline, found.n_run, list(found.by_variant)) == ("lr=1.0", 3, ["lr=2.0", "lr=3.0"])
