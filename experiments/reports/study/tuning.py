"""What the tuning of a study found: a table, a figure, and what it does not say."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ....plain import code_span, markdown
from ...ablation.study import Study
from ...ablation.tune import Trial, best, is_at_edge, sensitivity, tuning_of
from ...statistics.intervals import mean
from ..figures import VAL_LOSS_LABEL, Line, canvas, draw_lines, note, title
from ..markdown import table
from ..names import field_said
from ..numbers import count, digits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_TICKS = 9
"""More values would be written over each other."""
_NOTE = """\
Mean validation loss of {n} runs of each value, on seeds {first} and up, which take no part in the comparison; a run \
that did not end well is the worst. Sensitivity: how much is lost on average over the values that were tried (the mean \
of the loss there, at most that of the first weights, less the best), in nats. The runs of the tuning are not in the \
table of costs, but here."""


def tuning_section(study: Study) -> list[str]:
    """The parts of the report about it; none where nothing was tuned."""
    trials = tuning_of(study.config, study.tuning)
    if not trials:
        return []
    (path,) = study.config.tune
    header = ("variant", "best", "loss there", "one value lower", "one value higher", "sensitivity", "tried")
    rows = [_row(name, known) for name, known in trials.items()]
    first = min(result.record.seed for result in study.tuning)
    return [
        f"## Tuning of {code_span(path)}",
        table((*header, "diverged", "CPU seconds"), rows, right=set(range(1, 9))),
        _NOTE.format(n=study.config.tune_seeds, first=first),
        f"![{markdown(rates_text(study))}](rates.png)",
    ]


def tuning_caveats(study: Study) -> list[str]:
    """A sentence each."""
    trials, (path,) = tuning_of(study.config, study.tuning), study.config.tune
    apart = max(high / low for low, high in pairwise(study.config.tune[path]))
    words = f"{code_span(path)} was tuned for each variant by itself; every other setting is the same for all."
    found = [f"{words} Its values lie up to a factor of {apart:.2g} apart: a better one may lie between."]
    edges = [code_span(name) for name, known in trials.items() if is_at_edge(known)]
    if edges:
        found.append(f"The best {code_span(path)} lies at the edge of what was tried: {', '.join(edges)}.")
    return found


def rates(study: Study) -> Figure:
    """Loss over the values that were tried, one line a variant with a band from the lowest seed to the highest."""
    trials, (path,) = tuning_of(study.config, study.tuning), study.config.tune
    with canvas(height=max(3.6, 1.6 + 0.18 * len(trials))) as (figure, axes):
        axes.set_xscale("log")
        lines = [_line(name, known) for name, known in trials.items()]
        draw_lines(axes, [line for line in lines if len(line.steps)], whole_steps=False)
        values = sorted({one.value for known in trials.values() for one in known})
        if len(values) <= _MOST_TICKS:
            axes.set_xticks(values, [f"{value:.2g}" for value in values])
            axes.set_xticks([], minor=True)
        name = field_said(path)
        title(figure, f"Each variant is compared at its own best {name}")
        axes.set(xlabel=name, ylabel=VAL_LOSS_LABEL)
        note(figure, f"line: mean over {study.config.tune_seeds} seeds of the tuning; band: lowest to highest; what "
             "diverged is left out")  # fmt: skip
    return figure


def rates_text(study: Study) -> str:
    """What the figure shows, for those who do not see it."""
    trials, (path,) = tuning_of(study.config, study.tuning), study.config.tune
    ends = [f"{name} {best(known).value:g} with {digits(best(known).loss)}" for name, known in trials.items()]
    return f"Validation loss over {path.rpartition('.')[2]}. The best: {'; '.join(ends)}."


def _row(name: str, trials: list[Trial]) -> list[str]:
    i = trials.index(best(trials))
    near = [digits_or_dash(trials[j].loss) if 0 <= j < len(trials) else "-" for j in (i - 1, i + 1)]
    runs = [result for one in trials for result in one.results]
    n_bad, seconds = sum(one.n_bad for one in trials), sum(result.measured.cpu_s for result in runs)
    edge = " (edge)" if is_at_edge(trials) else ""
    tried = f"{trials[0].value:g} to {trials[-1].value:g}"
    loss, lost = digits_or_dash(trials[i].loss), digits(sensitivity(trials))
    return [
        code_span(name),
        f"{trials[i].value:g}{edge}",
        loss,
        *near,
        lost,
        tried,
        f"{n_bad} of {len(runs)}",
        count(seconds),
    ]


def digits_or_dash(loss: float) -> str:
    """A loss; `diverged` where there is none."""
    return digits(loss) if math.isfinite(loss) else "diverged"


def _line(name: str, trials: list[Trial]) -> Line:
    good = [(one.value, [r.record.val_loss for r in one.results]) for one in trials if math.isfinite(one.loss)]
    values, losses = np.array([value for value, _ in good]), [found for _, found in good]
    means, low, high = (np.array([of(one) for one in losses]) for of in (mean, min, max))
    return Line(name, values, means, low, high)
