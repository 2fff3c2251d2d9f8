"""`nanochat ablate`: progress cell by cell, the summary of the variants, one line that says where everything is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, ConfigError, GuardError, SweepError
from ..experiments.ablation.axes import read
from ..experiments.ablation.budget import share_budget
from ..experiments.ablation.cluster import count_threads
from ..experiments.ablation.study import Study, clear_study, read_config
from ..experiments.ablation.sweep import AblationConfig, run_ablation
from ..experiments.analysis.summary import VariantSummary, summarise
from ..experiments.reports.sentences import answer
from ..experiments.reports.study.report import write_study_report
from ..experiments.statistics.significance import least_seeds
from ..machine import cores
from ..plain import shown_path
from ..storage.strict_json import finite_or_null
from ..training.prepare import prepare
from ..training.resolve import resolve
from .commands import ABLATIONS, AblateCommand
from .console import StopSignals, print_json, print_result, print_table, say
from .display.sweep import SweepDisplay, plural, print_plan
from .folders import claimed

_NAMED = 8
"""Cells that an error names."""

_UNEVEN = 0.01
"""A variant that misses its budget by a larger share is told of."""


def execute(command: AblateCommand) -> None:
    """Run what is missing, write tables and report.

    Raises SweepError where cells did not end well, and SystemExit after Ctrl-C; what is finished is on disk before.
    """
    base = command.study.base
    prepare(base)  # a bad corpus is refused before a folder is made or cleared, and so is a cluster that is not there
    config = share_budget(command.study)
    for remark in (_axes_without_flags, _what_is_left_out, _uneven_budget, _uneven_seeds, _too_few_seeds):
        for sentence in remark(config):
            say(f"note: {sentence}")
    slots = count_threads(command.cluster) if command.cluster else command.jobs or cores()
    if command.dry_run:
        print_plan(config, slots, cluster=bool(command.cluster), as_json=command.json)
        return
    name = f"{command.name}-{base.preset}-{_corpus(base.data.source)}"
    with claimed(command.out, ABLATIONS, name, "sweep") as out:
        _claim(out, config, force=command.force)
        options: dict[str, Any] = {"jobs": command.jobs, "cluster": command.cluster, "locked": True}
        with StopSignals().watched() as stop, SweepDisplay(config) as display:
            study = run_ablation(config, out, observe=display, should_stop=stop, **options)
        if study.results:
            write_study_report(out)
    _print(study, out, as_json=command.json)
    if study.results:
        say(answer(study).replace("**", "").replace("`", ""))
    if study.missing:
        are = "cells are" if len(study.missing) > 1 else "cell is"
        say(f"{len(study.missing)} {are} still to be run: the same command with --out {out} goes on")
        raise SystemExit(stop.exit_code if stop() else SweepError.exit_code)
    bad = [result for result in study.results if not result.is_ok]
    if bad:
        words = "/".join(dict.fromkeys(result.record.status for result in bad))
        cells = ", ".join(f"{result.cell.variant} with seed {result.record.seed}" for result in bad[:_NAMED])
        more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        raise SweepError(f"{len(bad)} of {len(study.results)} cells {words}: {cells}{more}; see {out}")


def _claim(out: Path, config: AblationConfig, *, force: bool) -> None:
    """The folder is new, or holds the beginning of the same study, or is cleared of another by --force.

    The same study may have fewer seeds there: what it has is a part of this one.
    """
    if not (out / "config.json").exists():
        return
    if force:
        clear_study(out)
        return
    try:
        former = read_config(out / "config.json")
    except CheckpointError as error:
        if (out / "cells").is_dir() or not isinstance(error.__cause__, ConfigError):
            raise CheckpointError(
                f"the study in {out} is damaged: {error}, choose another --out, or pass --force to run all cells again"
            ) from error
        former = None  # the settings of a run
    if former is not None and _grows(former, config):
        say(f"note: {out} holds {plural(former.seeds, 'seed')} of this study: it goes on to {config.seeds}")
    elif former != config:
        raise GuardError(f"{out} holds other results already: choose another --out, or pass --force to replace them")


def _grows(former: AblationConfig, config: AblationConfig) -> bool:
    """More seeds, and nothing else; a part drawn at random and a budget of tokens depend on their number."""
    if config.max_cells or config.budget != "steps" or former.max_cells or former.seeds >= config.seeds:
        return False
    return replace(former, seeds=config.seeds) == config


def _axes_without_flags(config: AblationConfig) -> Iterator[str]:
    """A flag for what the study varies has no effect."""
    for axis in config.axes:
        name = axis.rpartition(".")[2]
        if read(config.base, axis) != read(resolve({"preset": config.base.preset}), axis):
            yield f"{name} is an axis of this study, so its flag has no effect"


def _what_is_left_out(config: AblationConfig) -> Iterator[str]:
    if config.drawn:
        yield f"{config.drawn}, each variant with all its seeds; without --max-cells all are run"
    for name, reason in list(config.skipped.items())[:_NAMED]:
        yield f"{name} is left out: {reason}"
    if config.intended_baseline in config.skipped:
        yield f"{config.baseline} is the baseline, not {config.intended_baseline}: the others are compared with it"
    if len(config.skipped) > _NAMED:
        yield f"{len(config.skipped) - _NAMED} more variants are left out: the report lists them"


def _uneven_budget(config: AblationConfig) -> Iterator[str]:
    """Steps are whole, and few of them miss a budget by much."""
    name, off = max(config.deviations.items(), key=lambda item: abs(item[1]), default=("", 0.0))
    if abs(off) > _UNEVEN:
        yield (
            f"in whole steps {name} gets {_share(off)} than the budget of {_asked(config)}, and no variant is farther "
            "from it: give more --steps to come nearer"
        )


def _uneven_seeds(config: AblationConfig) -> Iterator[str]:
    """The steps of a variant are the same for all its seeds, and documents differ in length."""
    name, off = max(config.budget_farthest.items(), key=lambda item: abs(item[1]), default=("", 0.0))
    if abs(off) > _UNEVEN and abs(off - config.deviations[name]) > _UNEVEN / 10:
        yield (
            f"the budget of {_asked(config)} is kept on average over the seeds, since documents differ in length: a "
            f"single seed misses it by up to {abs(off):.1%} ({name} gets {_share(off)})"
        )


def _share(off: float) -> str:
    return f"{abs(off):.1%} {'more' if off > 0 else 'less'}"


def _asked(config: AblationConfig) -> str:
    return f"{config.budget_asked:,} {'training tokens' if config.budget == 'tokens' else 'operations'}"


def _too_few_seeds(config: AblationConfig) -> Iterator[str]:
    """A study that cannot find anything, however large the difference, should say so before it takes its hours."""
    comparisons = len(config.variants) - 1
    needed = least_seeds(comparisons)
    if config.seeds < needed:
        yield (
            f"{plural(config.seeds, 'seed')} cannot show a difference, since the exact test needs {needed} for "
            f"{plural(comparisons, 'comparison')}: pass --seeds {needed} for verdicts"
        )


def _corpus(source: str) -> str:
    return Path(source.rpartition(":")[2]).stem


def _print(study: Study, out: Path, *, as_json: bool) -> None:
    summaries = {summary.name: summary for summary in summarise(study)}
    rows = [_row(summaries[name]) for name in study.config.variants if summaries[name].results]
    files = {name: shown_path(out / file) for name, file in (("csv", "ablation.csv"), ("jsonl", "ablation.jsonl"))}
    if not as_json and not any(row["ended"] for row in rows):
        rows = [{name: value for name, value in row.items() if name != "ended"} for row in rows]
    head = {"mode": study.config.base.mode, "variants": len(study.config.variants), **files}
    if study.results:
        head["report"] = shown_path(out / "report.md")
    if as_json:
        print_json({**head, "rows": rows})
        return
    if rows:
        print_table(rows)
    print_result(" ".join([f"mode={head.pop('mode')} ablate", *(f"{key}={value}" for key, value in head.items())]))


def _row(summary: VariantSummary) -> dict[str, Any]:
    """The nine columns of nanochat-rs-next, then ours: means over the seeds that ended well, None if none did."""
    record, loss = (summary.ok or summary.results)[0].record, summary.val_loss
    means = ("final_loss", "mean_loss_last_n", "steps_per_sec", "tokens_per_sec")
    figures = [summary.mean_of(name) if summary.ok else math.nan for name in means]
    final, last_n, steps, tokens, val, spread = finite_or_null([*figures, loss.mean, loss.half_width])
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
        "ended": summary.ending,
    }
