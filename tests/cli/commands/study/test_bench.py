"""`nanochat bench` as a person uses it; what it measures is made up here, since measuring takes a minute."""

import json
from typing import Any

import pytest

from nanochat.experiments.bench import measure
from nanochat.machine import describe


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the next run_bench will have found; `calls` are the options of those that were."""
    ratio = {"lower": 1.5, "median": 2.0, "upper": 2.5, "clock": "cpu"}
    row = {"shape": "S", "ms": {"ours": 1.0}, "sgemm_gflops": 40.0, "peak_mib": {"ours": None}, "cores_of_others": 0.5}
    found: dict[str, Any] = {
        "environment": describe(),
        "date": "2026-11-27",
        "ratios": {"decoding S: 4 texts / one": {**ratio, "floor": 3.0}},
        "training": [row],
        "decoding": {"shape": "S", "tokens_per_sec": {"one": 1000.0}, "cores_of_others": None},
        "scaling": [{"size": "T = 32", "us_per_token": 1.0}],
    }
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(measure, "run_bench", lambda **options: calls.append(options) or found)
    return {"found": found, "calls": calls}


def test_a_report_says_what_quartiles_allow_and_which_floor_was_missed(nanochat, measured):
    done = nanochat("bench", "--rounds", 3, "--torch-compile")
    assert "| decoding S: 4 texts / one | 2.00 | 1.50 to 2.50 | faster, floor 3 MISSED |" in done.out
    assert "other processes took up to 0.5 cores" in done.out
    (options,) = measured["calls"]
    assert (options["rounds"], options["compiled"]) == (3, True)


def test_slower_than_the_kept_figures_ends_with_9_after_everything_is_written(nanochat, measured, tmp_path):
    assert nanochat("bench", "--out", "kept").code == 0
    assert nanochat("bench", "--against", "kept/bench.json").code == 0
    measured["found"]["ratios"]["decoding S: 4 texts / one"] |= {"lower": 1.0, "median": 1.4}
    done = nanochat("bench", "--against", "kept/bench.json", "--out", "now", "--json")
    done.assert_refused(
        9, "1 of 1 medians lie below the lower quartile in kept/bench.json (decoding S: 4 texts / one 1.4 below"
    )
    assert json.loads(done.out) == json.loads((tmp_path / "now/bench.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("content", "code"), [(None, 3), ("{}", 4), ("not json", 4)])
def test_a_file_to_compare_with_is_read_before_anything_is_measured(nanochat, measured, tmp_path, content, code):
    if content is not None:
        (tmp_path / "old.json").write_text(content, encoding="utf-8")
    nanochat("bench", "--against", "old.json").assert_refused(code, "old.json")
    assert measured["calls"] == []
