"""`nanochat train`: one run, its folder, its line of figures."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DivergedError
from ..experiments.grid import flatten
from ..experiments.report import write_run_report
from ..inference.language_model import load
from ..models.parameters import count_parameters
from ..training.prepare import prepare
from ..training.record import RunRecord
from ..training.run import run_training
from .commands import RUNS, TrainCommand
from .console import StopSignals, print_json, print_result, say
from .display import TrainingDisplay
from .folders import check_free, next_folder

_N_SAMPLES, _SAMPLE_TOKENS = 5, 80


def execute(command: TrainCommand) -> None:
    """Train, write, report. Raises DivergedError, or SystemExit after Ctrl-C, when all is on disk."""
    config = command.config
    if command.dry_run:
        _dry_run(command)
        return
    out = command.out or next_folder(RUNS, f"{config.preset}-{Path(config.data.source.split(':')[-1]).stem}")
    if not command.force:
        check_free(out)
    with StopSignals().watched() as stop, TrainingDisplay(config.training.steps) as display:
        record = run_training(config, out=out, observe=display, should_stop=stop)
    write_run_report(out, samples=_samples(out, config.seed) if record.status == "ok" else ())
    figures = figures_of(record, out)
    if command.json:
        print_json(figures)
    else:
        print_result(format_figures(figures))
    say(f"written to {out}: read {out / 'report.md'}, or draw with `nanochat sample --run {out}`")
    if record.status == "diverged":
        raise DivergedError(record.reason)
    if record.status == "interrupted":
        raise SystemExit(stop.exit_code)


def figures_of(record: RunRecord, out: Path) -> dict[str, Any]:
    """The figures of the training line, in its order; what does not exist is None."""
    figures = {
        "mode": record.mode,
        "model_kind": record.model_kind,
        "style": record.style,
        "tie_lm_head": record.tie_lm_head,
        "input_rmsnorm": record.input_rmsnorm,
        "params": record.parameter_count,
        "steps": record.steps,
        "initial_loss": round(record.initial_loss, 6),
        "final_loss": round(record.final_loss, 6),
        "val_loss": round(record.val_loss, 6),
        "mean_loss_last_n": round(record.mean_loss_last_n, 6),
        "steps_per_sec": round(record.steps_per_sec, 2),
        "tokens_per_sec": round(record.tokens_per_sec, 2),
        "vocab_size": record.vocab_size,
        "train_tokens": record.train_tokens,
        "run": str(out),
    }
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in figures.items()}


def format_figures(figures: dict[str, Any]) -> str:
    """`key=value key=value ...`: booleans in lower case, losses with six decimals, rates with two, none for None."""
    return " ".join(f"{key}={_format(key, value)}" for key, value in figures.items())


def _samples(out: Path, seed: int) -> list[str]:
    """A few texts for the report, from the weights as they lie on disk."""
    language_model = load(out)
    streams = (np.random.default_rng([seed, i]) for i in range(_N_SAMPLES))
    return [language_model.generate(max_new_tokens=_SAMPLE_TOKENS, seed=stream) for stream in streams]


def _dry_run(command: TrainCommand) -> None:
    workshop = prepare(command.config)
    config = asdict(workshop.config)
    plan = {
        "parameters": count_parameters(workshop.config.model.parameters()),
        "steps": command.config.training.steps,
        "train_tokens": workshop.dataset.n_train_tokens,
        "val_tokens": workshop.dataset.n_val_tokens,
    }
    if command.json:
        print_json(plan | {"config": config})
        return
    for key, value in (plan | flatten(config)).items():
        print_result(f"{key}={value}")


def _format(key: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.2f}" if key.endswith("per_sec") else f"{value:.6f}"
    return str(value)
