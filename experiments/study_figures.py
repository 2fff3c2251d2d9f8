"""Figures of a study: curves with bands, differences to the baseline, and what a lower loss costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .answer import headline
from .comparisons import Comparison, compare
from .figures import (
    COLORS,
    FAINT,
    INK,
    VAL_LOSS_LABEL,
    Line,
    canvas,
    color,
    draw_lines,
    empty_canvas,
    explodes,
    log_limits,
    note,
    title,
)
from .study import Study
from .summary import VariantSummary, is_sound, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LINES = 10
_WORD_COLORS = {"better": COLORS[2], "worse": COLORS[1], "no difference seen": COLORS[0]}


def study_curves(study: Study) -> Figure:
    """Validation loss of all variants: the mean over seeds, and a band from the lowest seed to the highest."""
    summaries = [summary for summary in summarise(study) if summary.results]
    shown = _few(summaries, study.config.baseline)
    with canvas(height=4.8) as (figure, axes):
        title(figure, headline(study))
        axes.set(xlabel="step", ylabel=VAL_LOSS_LABEL)
        draw_lines(axes, [line for summary in shown if (line := _mean_line(summary)) is not None])
        remarks = []
        if study.config.seeds > 1:
            remarks.append(f"line: mean of {study.config.seeds} seeds; band: lowest to highest seed")
        if len(shown) < len(summaries):
            remarks.append(f"the best {len(shown) - 1} of {len(summaries)} variants and the baseline")
        if remarks:
            note(figure, "; ".join(remarks))
    return figure


def forest(study: Study) -> Figure:
    """Each variant minus the baseline: a dot a seed, the mean with its 95 % interval, and the verdict in words."""
    found = sorted((one for one in compare(study) if one.differences and not one.reason), key=lambda c: c.interval.mean)
    with canvas(height=2.0 + 0.5 * max(1, len(found))) as (figure, axes):
        axes.axvline(0, color=INK, linewidth=1, zorder=1)
        axes.axvspan(-study.config.margin, study.config.margin, color="#F0F0F0", linewidth=0, zorder=0)
        for row, one in enumerate(found):
            _draw_difference(axes, row, one)
        axes.set_yticks(range(len(found)), [one.variant for one in found], color=INK)
        axes.set_ylim(max(1, len(found)) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"validation loss minus that of {study.config.baseline} (nats per token)\n← better · worse →")
        _wide_enough(axes, found, study.config.margin)
        title(figure, headline(study))
        note(
            figure,
            "dot: one seed; square and bar: mean and 95 % t interval of the paired differences; "
            f"grey: ±{study.config.margin:g} nats",
        )
    return figure


def costs(study: Study) -> Figure:
    """Final validation loss against parameters, where these differ, and against the seconds of a run."""
    shown = _few([summary for summary in summarise(study) if is_sound(summary)], study.config.baseline)
    sizes = [summary.results[0].record.parameter_count for summary in shown]
    seconds = [summary.mean_of_measured("wall_s") for summary in shown]
    with empty_canvas(height=4.2) as figure:
        panels = [("parameters", [float(n) for n in sizes])] if len(set(sizes)) > 1 else []
        panels.append(("seconds of a run, validations included", seconds))
        for i, (label, values) in enumerate(panels):
            axes = figure.add_subplot(1, len(panels), i + 1)
            _scatter(axes, shown, values)
            axes.set_xlabel(label)
            if i == 0:
                axes.set_ylabel(VAL_LOSS_LABEL)
        if shown:
            figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize=9)
        title(figure, _cost_headline(shown, sizes, seconds))
        note(figure, "mean over seeds; bar: 95 % t interval of the loss")
    return figure


def _draw_difference(axes: Axes, row: int, one: Comparison) -> None:
    shade, interval = _WORD_COLORS.get(one.word, FAINT), one.interval
    axes.scatter(one.differences, [row + 0.22] * len(one.differences), s=22, color=shade, alpha=0.5, linewidths=0)
    if math.isfinite(interval.half_width):
        axes.plot([interval.low, interval.high], [row, row], color=shade, linewidth=2.2, zorder=3)
    axes.plot([interval.mean], [row], "s", color=shade, markersize=7, zorder=4)
    style = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 10, "color": shade}
    axes.text(1.02, row, one.verdict, **style)  # type: ignore[arg-type]  # one mapping for options of several types


def _wide_enough(axes: Axes, found: Sequence[Comparison], margin: float) -> None:
    """All dots and intervals of sane width, and 0; an interval of two seeds may leave the figure."""
    dots = [abs(x) for one in found for x in one.differences]
    ends = [abs(x) for one in found if len(one.differences) > 2 for x in (one.interval.low, one.interval.high)]
    reach = max([margin, *dots, *(end for end in ends if math.isfinite(end))]) * 1.1
    low = min([-1.5 * margin, *(x for one in found for x in (*one.differences, one.interval.low) if x > -reach)])
    high = max([1.5 * margin, *(x for one in found for x in (*one.differences, one.interval.high) if x < reach)])
    pad = 0.05 * (high - low)
    axes.set_xlim(low - pad, high + pad)


def _scatter(axes: Axes, summaries: Sequence[VariantSummary], values: Sequence[float]) -> None:
    for i, (summary, value) in enumerate(zip(summaries, values, strict=True)):
        loss, mark = summary.val_loss, "o" if i < len(COLORS) else "s"
        if math.isfinite(loss.half_width):
            axes.plot([value, value], [loss.low, loss.high], color=color(i), linewidth=1.8, alpha=0.5)
        axes.plot([value], [loss.mean], mark, color=color(i), markersize=8, linestyle="none", label=summary.name)
    losses = [summary.val_loss.mean for summary in summaries]
    if explodes(losses):
        axes.set_ylim(log_limits(losses, most=100))
        axes.set_yscale("log")
    if values and max(values) > 20 * min(values) > 0:
        axes.set_xscale("log")
    else:
        axes.locator_params(axis="x", nbins=5)
    axes.margins(x=0.12, y=0.1)


def _cost_headline(shown: Sequence[VariantSummary], sizes: Sequence[int], seconds: Sequence[float]) -> str:
    if not shown:
        return "No variant ended well with every seed"
    smallest, fastest = sizes[0] == min(sizes), seconds[0] == min(seconds)
    words = [
        word for word, holds in (("the smallest", smallest and len(set(sizes)) > 1), ("the fastest", fastest)) if holds
    ]
    return f"{shown[0].name} ends lowest" + (f" and is {' and '.join(words)}" if words else "")


def _few(summaries: Sequence[VariantSummary], baseline: str) -> list[VariantSummary]:
    """The best, and the baseline wherever it stands: more lines than these cannot be told apart."""
    if len(summaries) <= _MOST_LINES:
        return list(summaries)
    best = list(summaries[:_MOST_LINES])
    if all(summary.name != baseline for summary in best):
        best[-1] = next(summary for summary in summaries if summary.name == baseline)
    return best


def _mean_line(summary: VariantSummary) -> Line | None:
    """Over the seeds that ended well, or all where none did, at the steps that each reached; None without a curve."""
    results = [result for result in summary.ok or summary.results if result.validations]
    curves = [{point.step: point.loss for point in result.validations} for result in results]
    if not curves:
        return None
    steps = sorted(set.intersection(*(set(curve) for curve in curves)))
    losses = np.array([[curve[step] for step in steps] for curve in curves])  # (seeds, M)
    label = summary.name + (f" ({summary.ending})" if summary.n_bad else "")
    return Line(label, np.array(steps), losses.mean(0), losses.min(0), losses.max(0))
