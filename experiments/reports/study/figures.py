"""Figures of a study, and what each shows in words: curves with bands, and what a lower loss costs. See forest.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ....plain import figure as inert
from ....plain import shortened
from ...analysis.findings import Analysis
from ...analysis.summary import VariantSummary
from ..figures import (
    COLORS,
    MARKERS,
    VAL_LOSS_LABEL,
    Line,
    canvas,
    color,
    cut_excursions,
    draw_lines,
    empty_canvas,
    explodes,
    folded,
    log_limits,
    note,
    title,
    without_the_start,
)
from ..names import Names, is_plural
from ..numbers import digits
from ..sentences import half_width, headline, of_the_complete
from .tables import mean_of, operations

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LINES = 10
_LONG_NAME, _LONGEST_NAME = 33, 70  # letters, of which two stand beside each other; that fit
_MOST_BANDS = 4
"""More would cover each other: then only the best and the baseline have one."""


def study_curves(analysis: Analysis) -> Figure:
    """Validation loss of the variants: the mean over seeds, and a band from the lowest seed to the highest."""
    drawable, shown = _with_curves(analysis)
    banded = [shown[0].name, analysis.baseline] if len(shown) > _MOST_BANDS else [one.name for one in shown]
    n_lines = sum(folded(_label(one)).count("\n") + 1 for one in shown)
    with canvas(height=max(3.9, 1.5 + 0.18 * n_lines)) as (figure, axes):
        title(figure, headline(analysis))
        axes.set(xlabel="step", ylabel=VAL_LOSS_LABEL)
        lines = [_mean_line(one, with_band=one.name in banded) for one in shown]
        late = without_the_start(lines)
        strays = cut_excursions(axes, late)
        draw_lines(axes, late)
        is_cut = sum(len(line.steps) for line in late) < sum(len(line.steps) for line in lines)
        remarks = ["from a tenth of the steps on"] if is_cut else []
        n_seeds = analysis.study.config.seeds_of(analysis.baseline)
        if n_seeds > 1:
            n = f"{n_seeds} seeds" if all(len(one.ok) == n_seeds for one in shown) else "seeds"
            which = " (the best and the baseline)" if len(shown) > _MOST_BANDS else ""
            remarks += [f"line: mean over {n}", f"band{which}: lowest to highest seed"]
        note(figure, "; ".join(remarks + strays + _chosen(shown, drawable)))
    return figure


def curves_text(analysis: Analysis) -> str:
    """What the figure shows, for those who do not see it."""
    drawable, shown = _with_curves(analysis)
    ends = [f"{_label(one)} {digits(_mean_line(one, with_band=False).losses[-1])}" for one in shown if one.ok]
    stopped = [_label(one) for one in shown if not one.ok]
    bare = [one.name for one in analysis.ranking if not _curves(one)]
    text = f"Validation loss over the steps, one line a variant{_clause(shown, drawable)}."
    for words, names in (("At the last validation", ends), ("Ended before", stopped), ("Without a curve", bare)):
        text += f" {words}: {', '.join(names)}." if names else ""
    return text


def costs(analysis: Analysis) -> Figure | None:
    """Final validation loss against parameters, and against the operations of a run; None where neither differs by 1 %.

    Seconds are no axis: those of cells that ran beside others rank the load of the machine.
    """
    complete, shown = analysis.complete, _few(analysis.complete, analysis.baseline)
    if not costs_differ(analysis):
        return None
    panels = {name: values for name, values in _spent(shown).items() if _are_apart(values)}
    n_columns = 1 if any(len(one.name) > _LONG_NAME for one in shown) else 2
    names_height = 0.19 * math.ceil(len(shown) / n_columns)
    with empty_canvas(height=3.4 + names_height) as figure:
        grid = figure.add_gridspec(2, len(panels), height_ratios=(2.6, max(0.01, names_height)))
        first = None
        for i, (label, values) in enumerate(panels.items()):
            axes = first = figure.add_subplot(grid[0, i], sharey=first)
            _scatter(axes, shown, values)
            if label == "parameters":
                axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.set(xlabel=label, ylabel=VAL_LOSS_LABEL if i == 0 else "")
            axes.tick_params(labelleft=i == 0)
        names = figure.add_subplot(grid[1, :])
        names.axis("off")
        marks = figure.axes[0].get_legend_handles_labels()
        names.legend(*marks, loc="upper left", ncols=n_columns, fontsize=8, handletextpad=0.2, borderaxespad=0)
        title(figure, of_the_complete(analysis, _cost_headline(analysis)))
        surer = "differences are surer: seeds and text are the same for all" if len(shown) > 1 else ""
        remarks = ["mean over seeds", "bar: ± of the table", surer, *_chosen(shown, complete)]
        note(figure, "; ".join(filter(None, remarks)))
    return figure


def costs_differ(analysis: Analysis) -> bool:
    """The variants that are drawn do not all take the same, to 1 %."""
    return any(map(_are_apart, _spent(_few(analysis.complete, analysis.baseline)).values()))


def costs_text(analysis: Analysis) -> str:
    """What the figure shows, for those who do not see it."""
    shown = _few(analysis.complete, analysis.baseline)
    points = [
        f"{one.name} {digits(one.val_loss.mean)} nats with {_size(one):,} parameters and "
        f"{mean_of(one, operations):.3g} operations"
        for one in shown
    ]
    text = f"Validation loss against what it takes{_clause(shown, analysis.complete)}: "
    return text + ("; ".join(points) or "no variant ended well with every seed") + "."


def _are_apart(values: Sequence[float]) -> bool:
    return max(values, default=0.0) > 1.01 * min(values, default=0.0)


def _spent(summaries: Sequence[VariantSummary]) -> dict[str, list[float]]:
    """What a variant takes, on any machine."""
    return {
        "parameters": [float(_size(one)) for one in summaries],
        "operations of a run": [mean_of(one, operations) for one in summaries],
    }


def _scatter(axes: Axes, summaries: Sequence[VariantSummary], values: Sequence[float]) -> None:
    """A dot a variant, with its interval."""
    for i, (summary, value) in enumerate(zip(summaries, values, strict=True)):
        loss, mark = summary.val_loss.mean, MARKERS[(i + i // len(COLORS)) % len(MARKERS)]
        style: dict[str, Any] = {"color": color(i)}
        if half := half_width(summary):
            axes.errorbar([value], [loss], yerr=[half], capsize=3, linewidth=1.5, alpha=0.6, **style)
        style |= {
            "markersize": 6,
            "markerfacecolor": "none",
            "markeredgewidth": 1.6,
            "linestyle": "none",
            "label": inert(shortened(summary.name, _LONGEST_NAME)),
        }
        axes.plot([value], [loss], mark, **style)
    losses, first = [one.val_loss.mean for one in summaries], [one.mean_of("initial_loss") for one in summaries]
    if explodes(losses, first):
        axes.set_ylim(log_limits(losses, first))
        axes.set_yscale("log")
    else:
        axes.ticklabel_format(axis="y", useOffset=False)
    if values and max(values) > 20 * min(values) > 0:
        axes.set_xscale("log")
    else:
        axes.locator_params(axis="x", nbins=4)
    axes.margins(x=0.15, y=0.1)


def _cost_headline(analysis: Analysis) -> str:
    """A claim only where the lowest is shown to be better than all others."""
    best, name = analysis.complete[0].name, Names(analysis.study.config)
    if analysis.best != (best,):
        return "Validation loss against what it takes"
    return f"{_lowest(name(best))}{_among_sizes([_size(one) for one in analysis.complete])}"


def _lowest(name: str) -> str:
    return f"{name[:1].upper()}{name[1:]} {'end' if is_plural(name) else 'ends'} lowest"


def _among_sizes(sizes: Sequence[int]) -> str:
    """`sizes`: parameters, the best variant's first."""
    if len(set(sizes)) == 1 or sizes[0] > min(sizes):
        return ""
    return ", with fewest parameters" if sizes.count(sizes[0]) == 1 else ", with as few parameters as any"


def _with_curves(analysis: Analysis) -> tuple[list[VariantSummary], list[VariantSummary]]:
    """The variants that have a curve, and those of them that are drawn."""
    drawable = [summary for summary in analysis.ranking if _curves(summary)]
    return drawable, _few(drawable, analysis.baseline)


def _few(summaries: Sequence[VariantSummary], baseline: str) -> list[VariantSummary]:
    """The best, and the baseline wherever it stands: more lines than these cannot be told apart."""
    best = list(summaries[:_MOST_LINES])
    last = [summary for summary in summaries[_MOST_LINES:] if summary.name == baseline]
    return best[: _MOST_LINES - len(last)] + last


def _chosen(shown: Sequence[VariantSummary], drawable: Sequence[VariantSummary]) -> list[str]:
    """Which of the variants are drawn; nothing where all are."""
    n, of = len(shown), f"of {len(drawable)} variants"
    if n == len(drawable):
        return []
    return [f"the best {n} {of}" if shown[-1] == drawable[n - 1] else f"the best {n - 1} {of} and the baseline"]


def _clause(shown: Sequence[VariantSummary], drawable: Sequence[VariantSummary]) -> str:
    return "".join(f", {words}" for words in _chosen(shown, drawable))


def _curves(summary: VariantSummary) -> list[dict[int, float]]:
    """Step -> loss of each seed that ended well, or of all where none did."""
    results = summary.ok or summary.results
    return [{point.step: point.loss for point in result.validations} for result in results if result.validations]


def _mean_line(summary: VariantSummary, *, with_band: bool) -> Line:
    """At the steps that each seed reached."""
    curves = _curves(summary)
    steps = sorted(set.intersection(*(set(curve) for curve in curves)))
    losses = np.array([[curve[step] for step in steps] for curve in curves])  # (seeds, M)
    band = (losses.min(0), losses.max(0)) if with_band else (None, None)
    return Line(_label(summary), np.array(steps), losses.mean(0), *band)


def _label(summary: VariantSummary) -> str:
    return summary.name + (f" ({summary.ending})" if summary.n_bad else "")


def _size(summary: VariantSummary) -> int:
    return summary.ok[0].record.parameter_count
