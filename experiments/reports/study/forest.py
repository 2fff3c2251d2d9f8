"""The forest plot of a study: each variant minus the baseline, seed by seed, in numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ....plain import figure as inert
from ....plain import shortened
from ...analysis.comparisons import Comparison
from ...analysis.findings import Analysis
from ..figures import COLORS, FAINT, INK, canvas, note, title
from ..numbers import signed
from ..sentences import headline, interval_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WORD_COLORS = {"better": COLORS[2], "worse": COLORS[1], "no difference seen": COLORS[0]}
_MOST_ROWS = 40
_LONGEST_NAME = 70
_MOST_STRETCH = 3  # times the width that the dots take: an interval that needs more ends in an arrow


def forest(analysis: Analysis) -> Figure:
    """Each variant minus the baseline: a dot a seed, the mean with its 95 % interval, numbers and the verdict."""
    drawable, margin = _drawable(analysis.comparisons), analysis.study.config.margin
    found = drawable[:_MOST_ROWS]
    with canvas(height=1.35 + 0.56 * max(1, len(found))) as (figure, axes):
        low, high = limits(found, margin)
        axes.set_xlim(low, high)
        axes.set_ylim(max(1, len(found)) - 0.35, -0.65)
        for row in range(max(1, len(found))):  # beside the rows only: names stand clear of them
            axes.plot([0, 0], [row - 0.18, row + 0.4], color=INK, linewidth=1, zorder=1)
            axes.fill_betweenx([row - 0.18, row + 0.4], -margin, margin, color="#E9E9E9", linewidth=0, zorder=0)
        n_cut = sum(_draw(axes, row, one) for row, one in enumerate(found))
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.locator_params(axis="x", nbins=6)
        baseline = inert(shortened(analysis.baseline, _LONGEST_NAME))
        what = f"validation loss minus that of {baseline}\nin nats per token: left of 0 is better"
        axes.set_xlabel(what, loc="left", fontsize=9)
        title(figure, headline(analysis))
        remarks = ["small dot: one seed", "diamond and bar: mean and 95 % interval of all comparisons at once"]
        remarks.append(f"grey: ±{margin:g} nats")
        if n_cut:
            remarks.append("arrow: the interval goes on, see its numbers")
        note(figure, "; ".join(remarks + _chosen(drawable)))
    return figure


def forest_text(analysis: Analysis) -> str:
    """What the figure shows, for those who do not see it."""
    drawable = _drawable(analysis.comparisons)
    drawn = [f"{one.variant} {signed(one.interval.mean)}, {one.verdict}" for one in drawable[:_MOST_ROWS]]
    which = "".join(f", {words}" for words in _chosen(drawable))
    text = f"Differences in validation loss to {analysis.baseline}, in nats, with 95 % intervals, the best first"
    missing = [f"{one.variant}, {one.verdict}" for one in analysis.comparisons if not one.differences]
    more = f" Not drawn: {'; '.join(missing)}." if missing else ""
    return f"{text}{which}: {'; '.join(drawn) or 'none'}.{more}"


def limits(found: Sequence[Comparison], margin: float) -> tuple[float, float]:
    """Of the axis: around all dots, 0 and the margin, and all intervals unless these would squash the rest."""
    dots = [x for one in found for x in one.differences] + [-1.5 * margin, 1.5 * margin]
    ends = [x for one in found for x in (one.interval.low, one.interval.high) if math.isfinite(x)]
    low, high = min(dots), max(dots)
    most = _MOST_STRETCH * (high - low)
    wide_low, wide_high = min([low, *ends]), max([high, *ends])
    if wide_high - wide_low <= most:
        low, high = wide_low, wide_high
    else:  # those that fit into the room that is left are whole, the longest ends in an arrow
        low, high = max(wide_low, low - (high - low) / 2), min(wide_high, high + (high - low) / 2)
    pad = 0.04 * (high - low)
    return low - pad, high + pad


def _chosen(drawable: Sequence[Comparison]) -> list[str]:
    """Which are drawn; nothing where all are."""
    return [f"the {_MOST_ROWS} lowest of {len(drawable)}"] if len(drawable) > _MOST_ROWS else []


def _drawable(comparisons: Sequence[Comparison]) -> list[Comparison]:
    return sorted((one for one in comparisons if one.differences), key=lambda one: one.interval.mean)


def _draw(axes: Axes, row: int, one: Comparison) -> bool:
    """One row; whether its interval leaves the axis."""
    shade, interval = _WORD_COLORS.get(one.word, FAINT), one.interval
    left, right = axes.get_xlim()
    axes.scatter(one.differences, [row + 0.24] * len(one.differences), s=14, color=shade, alpha=0.5, linewidths=0)
    low, high = max(left, interval.low), min(right, interval.high)
    is_cut = interval.low < left, interval.high > right
    if math.isfinite(interval.half_width):
        axes.plot([low, high], [row, row], color=shade, linewidth=2, zorder=3, solid_capstyle="butt")
        ends = [x for x, cut in zip((low, high), is_cut, strict=True) if not cut]  # seen at any width, unlike the bar
        axes.plot(ends, [row] * len(ends), "|", color=shade, markersize=11, markeredgewidth=1.4, zorder=3)
        for end, mark, cut in zip((left, right), "<>", is_cut, strict=True):
            if cut:
                axes.plot([end], [row], mark, color=shade, markersize=7, zorder=4, clip_on=False)
    if row:
        axes.axhline(row - 0.56, color="#E4E4E4", linewidth=0.8, zorder=0)
    axes.plot([interval.mean], [row], "d", color=shade, markersize=5, markeredgewidth=0, zorder=4)
    place = axes.get_yaxis_transform()
    name = inert(shortened(one.variant, _LONGEST_NAME))
    clear = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}  # of the lines of the grid
    axes.text(0.0, row - 0.34, name, transform=place, va="center", fontsize=8.5, color=INK, bbox=clear)
    numbers = signed(interval.mean) + (f" ({interval_of(one)})" if math.isfinite(interval.half_width) else "")
    numbers = numbers.replace("-", "\N{MINUS SIGN}")
    axes.text(1.03, row - 0.12, numbers, transform=place, va="center", fontsize=8.5, color=INK)
    word = f"{one.word}, {one.pairs} pairs" if one.n_pairs < one.n_planned else one.word
    axes.text(1.03, row + 0.2, word, transform=place, va="center", fontsize=8.5, color=shade, fontweight="bold")
    return any(is_cut)
