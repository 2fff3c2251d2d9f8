"""The course of the differences of a study over the steps: does what is seen at the end last, shrink or turn?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...ablation.cells import CellResult
from ...analysis.findings import Analysis
from ...statistics.intervals import Interval, t_interval
from ..figures import INK, Line, canvas, cut_excursions, draw_lines, folded, note, title
from ..names import Names
from ..numbers import signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_LINES = 6
"""More bands cannot be told apart."""
Course = dict[int, Interval]
"""Step -> the paired difference there, with its 95 % t interval over the seeds."""


def courses(analysis: Analysis) -> dict[str, Course]:
    """Of each variant with two validations or more after the first weights, in the order of the ranking."""
    by_seed: dict[str, dict[int, CellResult]] = {}
    for result in analysis.study.results:
        if result.is_ok:
            by_seed.setdefault(result.cell.variant, {})[result.cell.config.seed] = result
    base, found = by_seed.get(analysis.baseline, {}), {}
    for name in (summary.name for summary in analysis.ranking if summary.name != analysis.baseline):
        ours = by_seed.get(name, {})
        course = _course([(ours[seed], base[seed]) for seed in sorted(ours.keys() & base.keys())])
        if len(course) > 1:
            found[name] = course
    return found


def course_figure(analysis: Analysis) -> Figure | None:
    """Variant minus baseline over the steps, with a band; None where no variant has two validations."""
    found = courses(analysis)
    shown = dict(list(found.items())[:_MOST_LINES])
    if not shown:
        return None
    n_lines = sum(folded(name).count("\n") + 1 for name in shown)
    with canvas(height=max(3.6, 1.5 + 0.2 * n_lines)) as (figure, axes):
        margin = analysis.study.config.margin
        axes.axhline(0, color=INK, linewidth=1)
        axes.axhspan(-margin, margin, color="#E9E9E9", linewidth=0, zorder=0)
        lines = [_line(name, course) for name, course in shown.items()]
        strays = cut_excursions(axes, lines)
        draw_lines(axes, lines, is_loss=False)
        axes.set(xlabel="step", ylabel="difference in validation loss (nats)")
        title(
            figure, f"Validation loss minus that of {Names(analysis.study.config)(analysis.baseline)}, over the steps"
        )
        remarks = ["below 0 is better", "band: 95 % t interval of the paired differences", f"grey: ±{margin:g} nats"]
        remarks += strays
        if len(shown) < len(found):
            remarks.append(f"the lowest {len(shown)} of {len(found)} variants")
        note(figure, "; ".join(remarks))
    return figure


def course_text(analysis: Analysis) -> str:
    """What the figure shows, for those who do not see it."""
    parts = []
    for name, course in list(courses(analysis).items())[:_MOST_LINES]:
        steps = list(course)
        ends = [f"{signed(course[step].mean)} at step {step:,}" for step in (steps[0], steps[-1])]
        parts.append(f"{name} {' and '.join(ends)}")
    return f"Difference in validation loss to {analysis.baseline} over the steps: {'; '.join(parts)}."


def _course(pairs: list[tuple[CellResult, CellResult]]) -> Course:
    """At the steps after the first weights that every run of them has been validated at."""
    curves = [tuple({point.step: point.loss for point in one.validations} for one in pair) for pair in pairs]
    shared = set.intersection(*(set(curve) for pair in curves for curve in pair)) if curves else set()
    return {
        step: t_interval([ours[step] - theirs[step] for ours, theirs in curves]) for step in sorted(shared) if step > 0
    }


def _line(name: str, course: Course) -> Line:
    steps, found = np.array(list(course)), list(course.values())
    means, low, high = (np.array([getattr(one, end) for one in found]) for end in ("mean", "low", "high"))
    return Line(name, steps, means, low, high)
