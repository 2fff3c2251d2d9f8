"""What a run shows while it goes on: rates of steps alone, and how much is left of this session."""

import pytest

from nanochat.cli.display import run as display
from nanochat.training.config import RunConfig, TrainingConfig
from nanochat.training.evaluate import Evaluation
from nanochat.training.events import Evaluated, Prepared, Sampled, Saved
from nanochat.training.trainer import StepMetrics


@pytest.fixture
def shown(monkeypatch, capsys):
    """Give each event to a display at its second; what it says."""
    now = 0.0
    monkeypatch.setattr(display.time, "monotonic", lambda: now)

    def show(*events) -> list[str]:
        nonlocal now
        screen = display.TrainingDisplay(10)
        for now, event in events:  # noqa: B007
            screen(event)
        return capsys.readouterr().err.splitlines()

    return show


def prepared(first_step: int) -> Prepared:
    config = RunConfig(training=TrainingConfig(steps=10))
    return Prepared(config, 5, 100, val_is_train=False, counts_loss=None, first_step=first_step)


def step(number: int) -> StepMetrics:
    return StepMetrics(number, 2.0, 0.1, 1.0, 8)


def validated(number: int) -> Evaluated:
    return Evaluated(number, Evaluation(3.0, 1.5, 64))


def test_a_rate_leaves_out_what_is_not_a_step(shown, tmp_path):
    events = [(0, prepared(0)), (10, validated(0)), (11, step(1)), (12, step(2)), (19, Sampled(2, "x"))]
    *_, first, sample, last = shown(*events, (20, step(3)), (30, Saved(3, tmp_path)), (40, validated(3)))
    assert first == "  step     0/10  val 3.0000  1.500 bits/byte"
    assert sample == "  step     2  sample: 'x'"
    assert last == "  step     3/10  loss 2.0000  val 3.0000  1.500 bits/byte  1.0 steps/s  93 s left"


def test_a_run_that_goes_on_counts_from_there(shown):
    said = shown((0, prepared(8)), (2, step(9)), (3, validated(9)))
    assert "going on after step 8 of 10" in said
    assert said[-1].endswith("0.5 steps/s  3 s left")
