"""A run with nanochat's whole recipe: its schedules move it, and a stop leaves no trace."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nanochat.training.resolve import resolve
from nanochat.training.run import run_training
from nanochat.training.trainer import StepMetrics

sys.path.append(str(Path(__file__).parent / "folder"))
import resume_cases


def config_of(name="upstream-d3", **training):
    model = {"n_embd": 16, "n_head": 2, "block_size": 8, "value_gate_channels": 4}
    settings = {"steps": 6, "grad_accum": 2, "batch_size": 2, "warmup": 1, "eval_every": 2, "eval_tokens": 24}
    return resolve(
        {"preset": name, "model": model, "data": {"source": "builtin:facts"}}
        | {"training": settings | {"checkpoint_every": 3, "weight_decay": 0.1} | training}
    )


@pytest.mark.parametrize("name", ["upstream-d3", "upstream-d2-pin"])
def test_a_stop_leaves_no_trace(name, tmp_path):
    resume_cases.check(config_of(name), 3, tmp_path)


def losses(config):
    found = []
    run_training(config, observe=lambda event: found.append(event.loss) if isinstance(event, StepMetrics) else None)
    return found


def test_each_switch_and_schedule_changes_the_run():
    """In the third step or before: a switch that did nothing would pass every law."""
    whole = config_of()
    curve = losses(whole)
    changes = {
        "polar_express": False, "muon_eq": False, "muon_plus": False, "nor_muon": False, "split_qkv": False,
        "cautious_decay": False, "momentum_schedule": "constant", "weight_decay_schedule": "constant",
        "optimizer": "nanochat-2026-02", "min_lr_ratio": 0.5,
    }  # fmt: skip
    for name, value in changes.items():
        assert losses(replace(whole, training=replace(whole.training, **{name: value}))) != curve, name
