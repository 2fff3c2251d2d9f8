"""`nanochat ablate`: progress cell by cell, the summary of the variants, one line that says where everything is."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..checkpoints.files import writing
from ..errors import CheckpointError, GuardError, SweepError
from ..experiments.ablate import AblationConfig, run_ablation
from ..experiments.answer import answer
from ..experiments.axes import read
from ..experiments.budget import share_budget
from ..experiments.cells import cores, run_cell
from ..experiments.grid import Cell
from ..experiments.lock import folder_locked
from ..experiments.significance import least_seeds
from ..experiments.study import Study, read_config
from ..experiments.study_report import FIGURES, write_study_report
from ..experiments.summary import VariantSummary, summarise
from ..models.flops import flops_per_token
from ..models.parameters import count_parameters
from ..training.config import RunConfig
from ..training.prepare import prepare
from ..training.resolve import resolve
from .commands import ABLATIONS, AblateCommand
from .console import StopSignals, print_json, print_result, print_table, say
from .folders import holds_results, next_folder
from .sweep_display import SweepDisplay, duration

_NAMED = 8
"""Cells that an error names."""

_OURS = ("config.json", "env.json", "ablation.csv", "ablation.jsonl", "report.md", *FIGURES)


def execute(command: AblateCommand) -> None:
    """Run what is missing, write tables and report.

    Raises SweepError where cells did not end well, and SystemExit after Ctrl-C; what is finished is on disk before.
    """
    config = share_budget(command.study)
    _warn_of_axes(config)
    for name, reason in config.skipped.items():
        say(f"note: {name} is left out: {reason}")
    _warn_of_seeds(config)
    if command.dry_run:
        _plan(config, command.jobs or cores(), as_json=command.json)
        return
    base = config.base
    prepare(base)  # a bad corpus is refused before a folder is made or cleared
    out = command.out or next_folder(ABLATIONS, f"{command.name}-{base.preset}-{_corpus(base.data.source)}")
    _claim(out, config, force=command.force)
    with StopSignals().watched() as stop, SweepDisplay(config) as display:
        study = run_ablation(config, out, jobs=command.jobs, cluster=command.cluster, observe=display, should_stop=stop)
    if study.results:
        write_study_report(out)
    _print(study, out, as_json=command.json)
    if study.results:
        say(answer(study).replace("**", "").replace("`", ""))
    if study.missing:
        say(f"{len(study.missing)} cells are still to be run: the same command with --out {out} goes on")
        raise SystemExit(stop.exit_code if stop() else SweepError.exit_code)
    bad = [result for result in study.results if not result.is_ok]
    if bad:
        words = "/".join(dict.fromkeys(result.record.status for result in bad))
        cells = ", ".join(f"{result.cell.variant} with seed {result.record.seed}" for result in bad[:_NAMED])
        more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        raise SweepError(f"{len(bad)} of {len(study.results)} cells {words}: {cells}{more}; see {out}")


def _claim(out: Path, config: AblationConfig, *, force: bool) -> None:
    """The folder is new, or holds the beginning of the same study, or is cleared of another by --force."""
    if not holds_results(out):
        return
    if force:
        with folder_locked(out), writing(out):  # not from under a sweep that is at work there
            for name in _OURS:
                (out / name).unlink(missing_ok=True)
            shutil.rmtree(out / "cells", ignore_errors=True)
        return
    try:
        same = read_config(out / "config.json") == config
    except CheckpointError:
        same = False
    if not same:
        raise GuardError(f"{out} holds other results already: choose another --out, or pass --force to replace them")


def _warn_of_axes(config: AblationConfig) -> None:
    """A flag for what the study varies has no effect."""
    for axis in config.axes:
        name = axis.rpartition(".")[2]
        if read(config.base, axis) != read(resolve({"preset": config.base.preset}), axis):
            say(f"note: {name} is an axis of this study, so its flag has no effect")


def _warn_of_seeds(config: AblationConfig) -> None:
    """A study that cannot find anything, however large the difference, should say so before it takes its hours."""
    comparisons = max(1, len(config.variants) - 1)
    needed = least_seeds(comparisons)
    if config.seeds < needed:
        say(
            f"note: {config.seeds} seeds cannot show a difference, since the exact test needs {needed} for "
            f"{comparisons} comparison{'s' if comparisons > 1 else ''}: pass --seeds {needed} for verdicts"
        )


def _plan(config: AblationConfig, jobs: int, *, as_json: bool) -> None:
    """The cells, their size, and how long they will take by a few steps of the baseline and the others' arithmetic."""
    cells = config.cells()
    sizes = {name: prepare(variant).config.model for name, variant in config.variants.items()}
    rows = [
        {
            "variant": cell.variant,
            "seed": cell.config.seed,
            "steps": cell.config.training.steps,
            "parameters": count_parameters(sizes[cell.variant].parameters()),
            "key": cell.key,
        }
        for cell in cells
    ]
    probe = run_cell(Cell(config.baseline, _short(config.variants[config.baseline])))
    per_step = 1 / probe.record.steps_per_sec if probe.is_ok else math.nan
    flops = {name: flops_per_token(model) for name, model in sizes.items()}
    work = sum(cell.config.training.steps * flops[cell.variant] / flops[config.baseline] for cell in cells)
    seconds = per_step * work / min(jobs, len(cells))
    if as_json:
        known = seconds if math.isfinite(seconds) else None
        print_json({"cells": rows, "skipped": config.skipped, "jobs": jobs, "predicted_s": known})
        return
    print_table(rows)
    print_result(
        f"{len(config.variants)} variants x {config.seeds} seeds = {len(cells)} cells, about {duration(seconds)} "
        f"with --jobs {jobs} (validations aside), {probe.measured.peak_memory_bytes / 2**20:.0f} MiB a process"
    )


def _short(config: RunConfig) -> RunConfig:
    return replace(config, training=replace(config.training, steps=3, warmup=0, eval_every=0, eval_tokens=64))


def _corpus(source: str) -> str:
    return Path(source.rpartition(":")[2]).stem


def _print(study: Study, out: Path, *, as_json: bool) -> None:
    summaries = {summary.name: summary for summary in summarise(study)}
    rows = [_row(summaries[name]) for name in study.config.variants if summaries[name].results]
    files = {name: str(out / file) for name, file in (("csv", "ablation.csv"), ("jsonl", "ablation.jsonl"))}
    head = {"mode": study.config.base.mode, "variants": len(study.config.variants), **files}
    if study.results:
        head["report"] = str(out / "report.md")
    if as_json:
        print_json({**head, "rows": rows})
        return
    if rows:
        print_table(rows)
    print_result(" ".join([f"mode={head.pop('mode')} ablate", *(f"{key}={value}" for key, value in head.items())]))


def _row(summary: VariantSummary) -> dict[str, Any]:
    """The nine columns of nanochat-rs-next, then ours: means over the seeds that ended well, None if none did."""
    record, loss = summary.results[0].record, summary.val_loss
    means = ("final_loss", "mean_loss_last_n", "steps_per_sec", "tokens_per_sec")
    figures = [summary.mean_of(name) if summary.ok else math.nan for name in means]
    final, last_n, steps, tokens, val, spread = (
        figure if math.isfinite(figure) else None for figure in (*figures, loss.mean, loss.half_width)
    )
    return {
        "variant": summary.name,
        "tie": record.tie_lm_head,
        "rms": record.input_rmsnorm,
        "style": record.style,
        "params": record.parameter_count,
        "final_loss": final,
        "mean_loss_last_n": last_n,
        "steps/s": steps,
        "tok/s": tokens,
        "seeds": len(summary.ok),
        "val_loss": val,
        "val_loss_ci95": spread,
    }
