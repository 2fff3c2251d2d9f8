"""The tables of a study's report: what came of each variant, how it differs, and what it cost."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

from ....plain import code_span
from ...ablation.cells import CellResult
from ...analysis.comparisons import Comparison
from ...analysis.findings import Analysis
from ...analysis.summary import VariantSummary
from ...statistics.intervals import mean
from ..markdown import table
from ..numbers import count, digits, p_text, range_of, signed
from ..sentences import interval_of, interval_text


def result_table(analysis: Analysis) -> str:
    """A row a variant, the best first; figures are over the seeds that ended well."""
    header = ("variant", "validation loss", "difference", "its 95 % interval", "verdict", "bits per byte", "seeds")
    rows = []
    for summary in analysis.ranking:
        one = analysis.by_variant.get(summary.name)
        loss = interval_text(summary) if summary.ok else summary.ending or "not run"
        verdict = one.verdict if one else "baseline" + (f" ({summary.ending})" if summary.ending else "")
        difference, interval = (signed(one.interval.mean), interval_of(one)) if one else ("-", "-")
        bits = digits(summary.mean_of("bits_per_byte"))
        rows.append((code_span(summary.name), loss, difference, interval, verdict, bits, summary.seeds))
    return table(header, rows, right={1, 2, 3, 5, 6})


def tests_table(first: str, comparisons: Sequence[Comparison]) -> str:
    """A row a comparison, the best first: the difference, two intervals, three p, how many pairs, the word."""
    columns = ["difference", "95 % t interval", "bootstrap", "p (t)", "p (sign flip)", "p (Holm)", "pairs"]
    with_contexts = any(one.contexts for one in comparisons)
    if with_contexts:
        columns.append("in single combinations")
    rows = []
    for one in sorted(comparisons, key=lambda one: one.interval.mean if one.differences else math.inf):
        low, high = one.bootstrap
        row = [code_span(one.variant), signed(one.interval.mean), interval_of(one)]
        row.append(range_of((low, high)) if math.isfinite(low) else "-")
        row += [*map(p_text, (one.p_t, one.p_exact, one.p_holm)), one.pairs]
        if with_contexts:
            row.append(range_of(one.contexts) if one.contexts else "-")
        rows.append([*row, one.verdict])
    return table((first, *columns, "verdict"), rows, right=set(range(1, len(columns) + 1)))


def cost_table(analysis: Analysis) -> str:
    """Size and time of each variant; steps, tokens and operations as spent, where these differ or are the budget."""
    budget, measured = analysis.study.config.budget, [summary for summary in analysis.ranking if summary.ok]
    columns: dict[str, Callable[[VariantSummary], str]] = {
        "variant": lambda one: code_span(one.name),
        "parameters": lambda one: f"{one.ok[0].record.parameter_count:,}",
        "operations per token": lambda one: f"{one.ok[0].measured.flops_per_token:,}",
    }
    if budget != "steps" or differ(measured, steps):
        columns["steps"] = lambda one: count(mean_of(one, steps))
    if budget == "tokens" or differ(measured, tokens):
        columns["tokens"] = lambda one: count(mean_of(one, tokens))
    if budget == "flops":
        columns["operations"] = lambda one: f"{mean_of(one, operations):.3g}"
    columns |= {
        "tokens/s": lambda one: count(one.mean_of("tokens_per_sec")),
        "seconds": lambda one: count(one.mean_of_measured("wall_s")),
        "CPU seconds": lambda one: count(one.mean_of_measured("cpu_s")),
        "peak memory, MiB": lambda one: count(one.mean_of_measured("peak_memory_bytes") / 2**20),
    }
    rows = [[spelled(one) for spelled in columns.values()] for one in measured]
    return table(list(columns), rows, right=set(range(1, len(columns)))) if rows else "Nothing was measured."


def steps(result: CellResult) -> float:
    """Optimizer steps that the run made."""
    return result.record.steps


def tokens(result: CellResult) -> float:
    """Targets that it was trained on."""
    return result.measured.tokens


def operations(result: CellResult) -> float:
    """Of its training, counted from the configuration."""
    return result.measured.train_flops


def mean_of(summary: VariantSummary, figure: Callable[[CellResult], float]) -> float:
    """Mean of the figure over the seeds that ended well."""
    return mean([figure(result) for result in summary.ok])


def differ(summaries: Sequence[VariantSummary], figure: Callable[[CellResult], float]) -> bool:
    """Whether the figure is not the same for all variants, seed by seed."""
    found: dict[int, set[float]] = defaultdict(set)
    for summary in summaries:
        for result in summary.ok:
            found[result.cell.config.seed].add(figure(result))
    return any(len(values) > 1 for values in found.values())
