"""A failed row is read as a teacher would: which side, forward or backward, and the lowest floor as the address."""

import re
from typing import Any

import pytest

from nanochat.experiments.certify.finding import Finding
from nanochat.experiments.certify.reading import read_failures, read_finding


def finding(kind: str = "op", **changed: Any) -> Finding:
    numbers: dict[str, Any] = {
        "loss_error": 0.0, "gradient_errors": {"x": 0.0}, "compiled_error": 0.0,
        "slope_errors": {"x": 0.0}, "scalar_slope_errors": {"x": 0.0},
    }  # fmt: skip
    return Finding(kind=kind, name="attention", remark="", n_numbers=1, loss=1.0, **numbers | changed)


WRONG = {"x": 0.3}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, "loss, gradients and slopes agree"),
        ({"compiled_error": 0.4}, "replay is wrong, engine and arrays agree"),
        ({"gradient_errors": WRONG, "slope_errors": WRONG}, "losses agree and the tensor side's .* backward"),
        ({"gradient_errors": WRONG, "scalar_slope_errors": WRONG}, "losses agree and the scalar side's .* backward"),
        (
            {"loss_error": 0.4, "gradient_errors": WRONG},
            "slopes right, spellings differ: you changed the function, not its derivative",
        ),
        ({"loss_error": 0.4, "gradient_errors": WRONG, "scalar_slope_errors": WRONG}, "differ and the scalar side"),
        ({"loss_error": float("nan"), "slope_errors": {"x": float("nan")}}, "differ and the tensor side"),
    ],
)
def test_the_pattern_names_the_side_and_the_pass(changed, says):
    assert re.search(says, read_finding(finding(**changed)))


def test_the_lowest_floor_that_fails_is_the_address():
    findings = [finding("model", loss_error=1.0), finding("layer", loss_error=1.0), finding("op")]
    assert read_failures(findings).startswith("layer attention: slopes right")
    assert "every op passes" in read_failures(findings)
    assert read_failures([finding("edge", loss_error=1.0)]).startswith("edge attention: the spellings differ")
    assert read_failures([finding()]) == ""
