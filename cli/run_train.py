"""`nanochat train`: one run, its folder, its line of figures."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..checkpoints.find import find_model_file
from ..errors import DivergedError
from ..experiments.ablation.grid import flatten
from ..experiments.reports.run import write_run_report
from ..inference.language_model import load
from ..machine import available_bytes
from ..models.flops import flops_per_token
from ..models.parameters import count_parameters
from ..plain import path_of, shown_path
from ..storage.strict_json import finite_or_null
from ..training.config import RunConfig
from ..training.folder.record import RunRecord
from ..training.folder.resume import ResumePlan, plan_resume
from ..training.forecast import forecast
from ..training.limits.memory import predict_peak_bytes
from ..training.prepare import prepare
from ..training.resolve import WORDS_PRESET, resolve
from ..training.run import run_training
from .commands import RUNS, TrainCommand
from .console import StopSignals, print_json, print_result, say
from .display.run import TrainingDisplay
from .folders import check_free, claimed, find_unfinished, is_beginning

_N_SAMPLES, _SAMPLE_TOKENS = 5, 80


def execute(command: TrainCommand) -> None:
    """Train, write, report. Raises DivergedError, or SystemExit after Ctrl-C, when all is on disk."""
    plan = _find_plan(command)
    config = plan.config if plan else command.config or resolve(command.settings)
    if config.preset == WORDS_PRESET and not (plan or config.start_from or "preset" in command.settings):
        say(f"{config.data.source} is to be known word for word: preset {WORDS_PRESET}; --preset chooses another")
    if command.dry_run:
        _dry_run(config, plan, as_json=command.json)
        return
    if plan and plan.finished:
        say(
            f"{plan.out} is finished after {plan.finished.steps} steps: its figures again; "
            "--override --steps N adds to them"
        )
        _show(plan.finished, plan.out, as_json=command.json)
        return
    with claimed(plan.out if plan else command.out, RUNS, f"{config.preset}-{_corpus(config)}", "run") as out:
        if not plan and not command.force and not (command.resume and is_beginning(out)):
            check_free(out)
        with StopSignals().watched() as stop, TrainingDisplay(config.training.steps) as display:
            record = run_training(
                config if plan is None else None,
                out=out,
                observe=display,
                should_stop=stop,
                resume=plan,
                stop_at=command.stop_at,
                locked=True,
            )
        write_run_report(out, samples=_samples(out, config.seed) if record.status == "ok" else ())
    _show(record, out, as_json=command.json)
    has_model = any((out / "checkpoints").glob("step-*"))
    draw = f", or draw with `nanochat sample --run {shown_path(out)}`" if has_model else ""
    say(f"written to {out}: read {out / 'report.md'}{draw}")
    if record.status == "ok" and record.reason:
        say(record.reason)
        if draw:
            say(f"its best weights, for --run and --from: {find_model_file(out, which='best').parent}")
    if record.status in ("interrupted", "stopped"):
        say(f"go on with `{shlex.join(['nanochat', 'train', '--resume', shown_path(out)])}`")
    if record.status == "diverged":
        raise DivergedError(record.reason)
    if record.status == "interrupted":
        raise SystemExit(stop.exit_code)


def _find_plan(command: TrainCommand) -> ResumePlan | None:
    """What --resume means; None where a run is to be started."""
    if not command.resume:
        return None
    path = find_unfinished(command.out) if command.resume == "auto" else path_of(command.resume)
    if path is None:
        say("there is nothing to go on with: starting a run")
        return None
    plan = plan_resume(
        path,
        config=command.settings,
        out=None if command.resume == "auto" else command.out,
        override=command.override,
        force=command.force,
    )
    if not plan.finished:
        say(f"going on from {plan.checkpoint}")
    return plan


def _show(record: RunRecord, out: Path, *, as_json: bool) -> None:
    figures = figures_of(record, out)
    if as_json:
        print_json(figures)
    else:
        print_result(format_figures(figures))


def _corpus(config: RunConfig) -> str:
    return Path(config.data.source.split(":")[-1]).stem


def figures_of(record: RunRecord, out: Path) -> dict[str, Any]:
    """The figures of the training line, in its order; what does not exist is None."""
    figures = {
        "mode": record.mode,
        "model_kind": record.model_kind,
        "style": record.style,
        "tie_lm_head": record.tie_lm_head,
        "input_rmsnorm": record.input_rmsnorm,
        "backend": "numpy" if record.mode == "tensor" else "python",
        "device": "cpu",
        "using_gpu": False,
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
        "run": shown_path(out),
    }
    return dict(finite_or_null(figures))


def format_figures(figures: dict[str, Any]) -> str:
    """`key=value key=value ...`: booleans in lower case, losses with six decimals, rates with two, none for None."""
    return " ".join(f"{key}={_format(key, value)}" for key, value in figures.items())


def _samples(out: Path, seed: int) -> list[str]:
    """A few texts for the report, from the weights as they lie on disk."""
    language_model = load(out)
    n_tokens = _SAMPLE_TOKENS
    if language_model.mode == "scalar":  # past its context a window of numbers is read anew for each token: too slow
        n_tokens = min(n_tokens, max(16, language_model.context))
    streams = (np.random.default_rng([seed, i]) for i in range(_N_SAMPLES))
    return [language_model.generate(max_new_tokens=n_tokens, seed=stream) for stream in streams]


def _dry_run(config: RunConfig, plan: ResumePlan | None, *, as_json: bool) -> None:
    """Print what the run would be and take. The time comes from steps that are really run, and forgotten."""
    workshop = prepare(config, plan.tokenizer if plan else None)
    resolved, n_tokens, available = workshop.config, workshop.dataset.n_train_tokens, available_bytes()
    expected, steps, done = forecast(workshop), resolved.training.steps, plan.state.step if plan else 0
    rows = {
        "parameters": count_parameters(resolved.model.parameters()),
        "flops_per_token": flops_per_token(resolved.model),
        "predicted_peak_mib": predict_peak_bytes(resolved, n_tokens) >> 20,
        "available_mib": None if available is None else available >> 20,
        "steps": steps,
        "tokens_per_step": expected.tokens_per_step,
        "predicted_s": round(expected.seconds * (1 - done / max(1, steps)), 1),
        "train_tokens": n_tokens,
        "val_tokens": workshop.dataset.n_val_tokens,
    } | ({"resume": shown_path(plan.checkpoint), "out": shown_path(plan.out)} if plan else {})
    basis = f"{expected.calibration_steps} real steps" if expected.calibration_steps else "one row of a batch"
    say(f"predicted_s is extrapolated from {basis}, measured in {expected.calibration_s:.1f} s; nothing was written")
    settings = asdict(resolved)
    if as_json:
        print_json(rows | {"config": settings})
        return
    for key, value in (rows | flatten(settings)).items():
        print_result(f"{key}={value}")


def _format(key: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and abs(value) >= 1e9:
        return f"{value:g}"
    if isinstance(value, float):
        return f"{value:.2f}" if key.endswith("per_sec") else f"{value:.6f}"
    return str(value)
