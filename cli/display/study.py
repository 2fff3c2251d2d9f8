"""A study in words: what is worth knowing before it takes its hours, and what came of its variants."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...experiments.ablation.axes import read
from ...experiments.ablation.grid import BUDGETS, AblationConfig
from ...experiments.ablation.looks import plan_of
from ...experiments.analysis.findings import Analysis
from ...experiments.analysis.summary import VariantSummary
from ...experiments.statistics.significance import least_seeds
from ...plain import shown_path
from ...storage.strict_json import finite_or_null
from ...training.resolve import resolve
from ..console import print_json, print_result, print_table
from .sweep import plural

_NAMED = 8
"""Variants left out that are named."""
_UNEVEN = 0.01
"""A variant that misses its budget by a larger share is told of."""


def notes(config: AblationConfig) -> Iterator[str]:
    """A sentence each, with the flag that changes it."""
    for about in (_axes_without_flags, _what_is_left_out, _uneven_budget, _uneven_seeds, _too_few_seeds, _blind_looks):
        yield from about(config)


def print_summary(analysis: Analysis, out: Path, *, as_json: bool) -> None:
    """A row for each variant, and where the tables and the report are; or all of it as JSON."""
    study, summaries = analysis.study, {summary.name: summary for summary in analysis.ranking}
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
            f"in whole {'units' if config.budget == 'parameters' else 'steps'} {name} gets {_share(off)} than the "
            f"budget of {_asked(config)}, and no variant is farther from it: give a "
            f"{'wider model' if config.budget == 'parameters' else 'larger --steps'} to come nearer"
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
    return f"{config.budget_asked:,} {BUDGETS[config.budget]}"


def _too_few_seeds(config: AblationConfig) -> Iterator[str]:
    """A study that cannot find anything, however large the difference, should say so before it takes its hours."""
    if config.seeds < least_seeds():
        yield (
            f"{plural(config.seeds, 'seed')} cannot show a difference, since the exact test needs {least_seeds()}, "
            f"however many variants: pass --seeds {least_seeds()} for verdicts"
        )


def _blind_looks(config: AblationConfig) -> Iterator[str]:
    """A look before the least p is within its part of alpha spends that part on nothing."""
    if not config.looks or config.seeds < least_seeds():
        return
    least = plan_of(config).least_telling
    blind = [n for n in config.looks if not least or n < least]
    if not least:
        yield (
            f"none of the looks can show a difference with alpha={config.alpha:g}, since {config.seeds} seeds have no "
            f"smaller p than {2.0 ** (1 - config.seeds):.2g}: pass more --seeds"
        )
    elif blind:
        yield (
            f"a look at {' and '.join(map(str, blind))} seeds cannot show a difference, since their least p is above "
            f"what is spent of alpha by then: with at most {config.seeds} seeds "
            + (f"begin at {least}, --seeds {least}..{config.seeds}" if least < config.seeds else "look once, at all")
        )


def _spread(summary: VariantSummary) -> float:
    """Half of the 95 % interval for other seeds and other text; for other seeds alone where no blocks were kept."""
    on_text = summary.on_text
    return on_text.half_width if on_text and math.isfinite(on_text.half_width) else summary.val_loss.half_width


def _row(summary: VariantSummary) -> dict[str, Any]:
    """The nine columns of nanochat-rs-next, then ours: means over the seeds that ended well, None if none did."""
    record, loss = (summary.ok or summary.results)[0].record, summary.val_loss
    means = ("final_loss", "mean_loss_last_n", "steps_per_sec", "tokens_per_sec")
    figures = [summary.mean_of(name) if summary.ok else math.nan for name in means]
    final, last_n, steps, tokens, val, spread = finite_or_null([*figures, loss.mean, _spread(summary)])
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
