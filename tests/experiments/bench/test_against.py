"""Figures beside those that were kept: what counts as worse, and what cannot be compared."""

from __future__ import annotations

import json

import pytest

from nanochat.errors import CheckpointError
from nanochat.experiments.bench.against import SlowerError, check_against, read_ratios
from nanochat.experiments.bench.report import verdict


def ratio(lower: float, median: float, upper: float) -> dict[str, float]:
    return {"lower": lower, "median": median, "upper": upper}


KEPT = {"a / b": ratio(1.5, 2.0, 2.5), "a / torch": ratio(4.0, 4.5, 5.0)}


def test_a_median_below_the_lower_quartile_of_then_is_named(tmp_path):
    with pytest.raises(SlowerError, match=r"1 of 2 medians .* \(a / b 1.49 below 1.5\)") as caught:
        check_against(tmp_path, KEPT, {"a / b": ratio(1.4, 1.49, 9.0), "a / torch": ratio(3.0, 4.0, 5.0)})
    assert caught.value.exit_code == 9


def test_only_what_is_in_both_is_compared(tmp_path):
    check_against(tmp_path, KEPT, {"a / b": ratio(0.1, 1.5, 9.0), "new": ratio(0.1, 0.1, 0.1)})
    with pytest.raises(CheckpointError, match="holds no ratio that was measured now"):
        check_against(tmp_path, KEPT, {"new": ratio(0.1, 0.1, 0.1)})


def test_kept_ratios_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "bench.json"
    path.write_text(json.dumps({"ratios": KEPT}), encoding="utf-8")
    assert read_ratios(path) == KEPT


NO_SPEED = [json.dumps({"ratios": {"a": ratio(-7.0, 1.0, 1.0)}}).replace("-7.0", x) for x in ("9" * 400, "-1")]


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"ratios": []}',
        '{"ratios": {}}',
        *NO_SPEED,
        '{"ratios": {"a": 1}}',
        '{"ratios": {"a": {"lower": 1, "median": "x"}}}',
    ],
)
def test_a_file_without_quartiles_is_refused(tmp_path, content):
    path = tmp_path / "bench.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match="holds no ratios with quartiles"):
        read_ratios(path)


def test_faster_is_said_only_where_three_quarters_of_the_pairs_say_so():
    assert verdict(ratio(1.01, 1.2, 1.3)) == "faster"
    assert verdict(ratio(0.99, 1.5, 2.0)) == "no difference"
    assert verdict(ratio(0.5, 0.6, 0.99)) == "slower"
    assert verdict({**ratio(1.1, 1.2, 1.3), "floor": 1.0, "aim": 1.25}) == "faster, floor 1 reached"
    assert verdict({**ratio(0.5, 0.6, 0.7), "floor": 1.0, "aim": 1.25}) == "slower, floor 1 MISSED"


def test_wall_time_on_a_busy_machine_is_neither_quoted_nor_compared(tmp_path):
    busy = {**ratio(9.0, 10.0, 11.0), "clock": "wall", "cores_of_others": 1.9}
    assert verdict(busy) == "not to be quoted: others took 1.9 cores"
    assert verdict({**busy, "clock": "cpu"}) == verdict({**busy, "cores_of_others": None}) == "faster"
    with pytest.raises(CheckpointError, match="on a quiet machine"):
        check_against(tmp_path, {"a": busy}, {"a": ratio(1.0, 1.0, 1.0)})
