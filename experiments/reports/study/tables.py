"""The tables of a study's report: what came of each variant, how it differs, and what it cost."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

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


def comparison_table(first: str, comparisons: Sequence[Comparison], words: Mapping[str, str]) -> str:
    """A row a comparison, the best first: the difference, its intervals, three p, how many pairs, the word.

    `words`: what verdicts are called, where a difference is one of differences.
    """
    columns: dict[str, Callable[[Comparison], str]] = {
        "difference": lambda one: signed(one.interval.mean),
        "95 % interval": interval_of,
        "t interval": _t_interval,
        "on other text": lambda one: _range(one.on_text.low, one.on_text.high) if one.on_text else "-",
        "bootstrap": lambda one: _range(*one.bootstrap),
        "p (t)": lambda one: p_text(one.p_t),
        "p (sign flip)": lambda one: p_text(one.p_exact),
        "p (joint)": _p_joint,
        "pairs": lambda one: one.pairs,
        "in single combinations": lambda one: range_of(one.contexts) if one.contexts else "-",
    }
    if not any(one.on_text for one in comparisons):
        del columns["on other text"]
    if not any(one.contexts for one in comparisons):
        del columns["in single combinations"]
    rows = []
    for one in sorted(comparisons, key=lambda one: one.interval.mean if one.differences else math.inf):
        verdict = one.verdict.replace(one.word, words.get(one.word, one.word))
        rows.append([code_span(one.variant), *(spelled(one) for spelled in columns.values()), verdict])
    return table((first, *columns, "verdict"), rows, right=set(range(1, len(columns) + 1)))


def course_table(analysis: Analysis) -> str:
    """What each difference does over the steps: at the first, a middle and the last validation; empty without any."""
    header = (
        "variant",
        "at a quarter of the run",
        "half way there",
        "at its end",
        "change a doubling",
        "the difference",
    )
    rows = []
    for name, trend in analysis.trends.items():
        first, middle, last = trend.rungs[0], trend.rungs[len(trend.rungs) // 2], trend.rungs[-1]
        sizes = [f"{signed(one.mean)} ± {digits(one.half_width)}" for one in (first, middle, last)]
        slope = f"{signed(trend.slope.mean)} ± {digits(trend.slope.half_width)}"
        rows.append((code_span(name), *sizes, slope, trend.word))
    return table(header, rows, right={1, 2, 3, 4}) if rows else ""


def _t_interval(one: Comparison) -> str:
    alone = one.t_interval
    return _range(alone.low, alone.high)


def _range(low: float, high: float) -> str:
    return f"{signed(low)} to {signed(high)}" if math.isfinite(low) else "-"


def _p_joint(one: Comparison) -> str:
    """With a word where it is the least that so many pairs can give: a bound of the test, no measure of evidence."""
    return p_text(one.p_joint) + (" (least)" if one.p_joint <= one.least_p else "")


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


def parameters(result: CellResult) -> float:
    """Of its model."""
    return result.record.parameter_count


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
