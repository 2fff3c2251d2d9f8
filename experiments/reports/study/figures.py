"""Figures of a study, and what each shows in words: curves with bands, and what a lower loss costs. See forest.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ....plain import figure as inert
from ....plain import shortened
from ...ablation.study import Study
from ...analysis.summary import VariantSummary, is_sound, summarise
from ..figures import (
    COLORS,
    VAL_LOSS_LABEL,
    Line,
    canvas,
    color,
    draw_lines,
    empty_canvas,
    explodes,
    folded,
    log_limits,
    note,
    title,
)
from ..numbers import count, digits
from ..sentences import headline, of_the_sound
from .tables import differ

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LINES = 10
_LONG_NAME, _LONGEST_NAME = 33, 70  # letters, of which two stand beside each other; that fit
_MOST_BANDS = 4
"""More would cover each other: then only the best and the baseline have one."""


def study_curves(study: Study) -> Figure:
    """Validation loss of the variants: the mean over seeds, and a band from the lowest seed to the highest."""
    drawable, shown = _with_curves(study)
    banded = [shown[0].name, study.config.baseline] if len(shown) > _MOST_BANDS else [one.name for one in shown]
    n_lines = sum(folded(_label(one)).count("\n") + 1 for one in shown)
    with canvas(height=max(3.9, 1.5 + 0.18 * n_lines)) as (figure, axes):
        title(figure, headline(study))
        axes.set(xlabel="step", ylabel=VAL_LOSS_LABEL)
        draw_lines(axes, [_mean_line(one, with_band=one.name in banded) for one in shown])
        n = f"{study.config.seeds} seeds" if all(len(one.ok) == study.config.seeds for one in shown) else "seeds"
        remarks = [f"line: mean over {n}"] if study.config.seeds > 1 else []
        if remarks:
            which = " (the best and the baseline)" if len(shown) > _MOST_BANDS else ""
            remarks += [f"band{which}: lowest to highest seed"]
        note(figure, "; ".join(remarks + _chosen(shown, drawable)))
    return figure


def curves_text(study: Study) -> str:
    """What the figure shows, for those who do not see it."""
    drawable, shown = _with_curves(study)
    ends = [f"{_label(one)} {digits(one.val_loss.mean)}" for one in shown if one.ok]
    stopped = [_label(one) for one in shown if not one.ok]
    bare = [one.name for one in summarise(study) if not _curves(one)]
    text = f"Validation loss over the steps, one line a variant{_clause(shown, drawable)}."
    for words, names in (("At the end", ends), ("Ended before", stopped), ("Without a curve", bare)):
        text += f" {words}: {', '.join(names)}." if names else ""
    return text


def costs(study: Study) -> Figure:
    """Final validation loss against parameters, where these differ, and against the seconds of a run."""
    sound, shown = _sound(study)
    sizes = [_size(one) for one in shown]
    panels = [("parameters", [float(n) for n in sizes])] if len(set(sizes)) > 1 else []
    panels.append(("seconds of a run", [one.mean_of_measured("wall_s") for one in shown]))
    n_columns = 1 if any(len(one.name) > _LONG_NAME for one in shown) else 2
    names_height = 0.19 * math.ceil(len(shown) / n_columns)
    with empty_canvas(height=3.4 + names_height) as figure:
        grid = figure.add_gridspec(2, len(panels), height_ratios=(2.6, max(0.01, names_height)))
        first = None
        for i, (label, values) in enumerate(panels):
            axes = first = figure.add_subplot(grid[0, i], sharey=first)
            _scatter(axes, shown, values)
            axes.set(xlabel=label, ylabel=VAL_LOSS_LABEL if i == 0 else "")
            axes.tick_params(labelleft=i == 0)
        names = figure.add_subplot(grid[1, :])
        names.axis("off")
        marks = figure.axes[0].get_legend_handles_labels()
        names.legend(*marks, loc="upper left", ncols=n_columns, fontsize=8, handletextpad=0.2, borderaxespad=0)
        title(figure, of_the_sound(study, sound, _cost_headline(sound)))
        remarks = ["mean over seeds", "bar: 95 % t interval of the loss", "seconds: validations included"]
        note(figure, "; ".join(remarks + _chosen(shown, sound)))
    return figure


def costs_text(study: Study) -> str:
    """What the figure shows, for those who do not see it."""
    sound, shown = _sound(study)
    points = [
        f"{one.name} {digits(one.val_loss.mean)} nats with {_size(one):,} parameters in "
        f"{count(one.mean_of_measured('wall_s'))} s"
        for one in shown
    ]
    what = "parameters and seconds of a run" if len(set(map(_size, shown))) > 1 else "seconds of a run"
    text = f"Validation loss against {what}{_clause(shown, sound)}: "
    return text + ("; ".join(points) or "no variant ended well with every seed") + "."


def _scatter(axes: Axes, summaries: Sequence[VariantSummary], values: Sequence[float]) -> None:
    """A dot a variant, with its interval."""
    for i, (summary, value) in enumerate(zip(summaries, values, strict=True)):
        loss, mark = summary.val_loss, "o" if i < len(COLORS) else "s"
        style: dict[str, Any] = {"color": color(i)}
        low, high = (loss.low, loss.high) if math.isfinite(loss.half_width) else (loss.mean, loss.mean)
        axes.plot([value, value], [low, high], linewidth=1.5, alpha=0.6, **style)
        style |= {"markersize": 6, "linestyle": "none", "label": inert(shortened(summary.name, _LONGEST_NAME))}
        axes.plot([value], [loss.mean], mark, alpha=0.85, **style)
    losses = [summary.val_loss.mean for summary in summaries]
    if explodes(losses):
        axes.set_ylim(log_limits(losses, most=100))
        axes.set_yscale("log")
    else:
        axes.ticklabel_format(axis="y", useOffset=False)
    if values and max(values) > 20 * min(values) > 0:
        axes.set_xscale("log")
    else:
        axes.locator_params(axis="x", nbins=4)
    axes.margins(x=0.15, y=0.1)


def _cost_headline(sound: Sequence[VariantSummary]) -> str:
    if not sound:
        return "No variant ended well with every seed"
    if len(sound) > 1 and not differ(sound, lambda result: result.record.val_loss):
        return "All variants end alike"
    sizes, words = [_size(one) for one in sound], ""
    if len(set(sizes)) > 1 and sizes[0] == min(sizes):
        words = " and is the smallest" if sizes.count(sizes[0]) == 1 else " and is among the smallest"
    return f"{sound[0].name} ends lowest{words}"


def _sound(study: Study) -> tuple[list[VariantSummary], list[VariantSummary]]:
    """The variants that ended well with every seed, and those of them that are drawn."""
    sound = [summary for summary in summarise(study) if is_sound(summary)]
    return sound, _few(sound, study.config.baseline)


def _with_curves(study: Study) -> tuple[list[VariantSummary], list[VariantSummary]]:
    """The variants that have a curve, and those of them that are drawn."""
    drawable = [summary for summary in summarise(study) if _curves(summary)]
    return drawable, _few(drawable, study.config.baseline)


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
