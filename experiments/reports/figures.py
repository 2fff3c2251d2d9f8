"""Figures of runs, and what all figures share: a style, labels, and files that are the same for the same data.

The one home of the style: whoever draws takes the canvas, the strokes of its lines, title and note from here.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from ...plain import figure as inert
from ...plain import shortened, terminal
from ...storage.atomic import write_bytes
from ...training.folder.record import SavedRun
from ..runs import run_labels
from .numbers import digits, rough

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#008A65", "#B3578A", "#946600", "#3A86B0", "#000000")
"""Distinct for every kind of color vision: Okabe and Ito 2008, "Color Universal Design", without their yellow, and the
paler ones darkened until a thin line of them survives print: a contrast of 3.8 or more on white."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2)), (0, (8, 2)), "-.", "--")
"""What tells lines apart where there is no color."""
INK, FAINT = "#333333", "#6B6B6B"
LOSS_LABEL = "loss (nats per token)"
VAL_LOSS_LABEL = "validation loss (nats per token)"

_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#BBBBBB",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E8E8E8",
    "xtick.color": "#666666",
    "ytick.color": "#666666",
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "svg.hashsalt": "nanochat",  # the same names inside for the same figure
}
_WIDTH, _DPI = 6.0, 200
"""Inches: in a column of a paper, 3.3 inches, the letters are still 5 points high. 1,200 pixels."""
_LABEL_GAP = 0.058  # of the height of the axes, for each line of the labels
_LABEL_WIDTH = 31  # letters; longer names take two lines
_LONGEST_LINE = 36  # letters of a label: more would leave no room for the curves
_MOST_MARKS = 25  # validations of a curve that are marked
_EXPLODED = 20  # times the first loss: beyond that a linear axis shows nothing else
_MOST = 100  # times the first loss: what leaves the figure has exploded, and the others stay legible


@dataclass(frozen=True)
class Line:
    """A curve with the name that stands at its end."""

    label: str
    steps: np.ndarray
    losses: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


def loss_curve(run: SavedRun) -> Figure:
    """Training loss (each step, and smoothed) and validation loss of one run."""
    steps, losses = training_curve(run)
    at, validations = validation_curve(run)
    with canvas(height=4.5) as (figure, axes):
        smooth, width = smoothed(losses)
        if width == 1:  # too short to smooth
            axes.plot(steps, losses, color=COLORS[0], linewidth=1.5, label="training, each step")
        else:
            axes.plot(steps, losses, color=COLORS[0], alpha=0.22, linewidth=0.9, label="training, each step")
            name = f"training, mean of {width} steps"
            axes.plot(centered(steps, width), smooth, color=COLORS[0], linewidth=2, label=name)
        axes.plot(at, validations, color=COLORS[1], linewidth=2, marker="o", markersize=5, label="validation")
        title(figure, run_headline(run))
        axes.set(xlabel="step", ylabel=LOSS_LABEL)
        fit(axes, [*losses, *validations], first=[*losses[:1], *validations[:1]])
        if len(losses) or len(validations):
            _legend_above(axes)
    return figure


def compare_curves(runs: Sequence[SavedRun]) -> Figure:
    """Validation curves of several runs, each over its smoothed training loss."""
    with canvas(height=4.5) as (figure, axes):
        lines = [Line(label, *validation_curve(run)) for label, run in zip(run_labels(runs), runs, strict=True)]
        for i, run in enumerate(runs):
            steps, losses = training_curve(run)
            smooth, width = smoothed(losses)
            axes.plot(centered(steps, width), smooth, color=color(i), alpha=0.3, linewidth=1)
        ends = [(line.losses[-1], line.label) for line in lines if len(line.losses)]
        loss, label = min(ends, default=(math.nan, ""))
        title(figure, f"{label} ends lowest: validation loss {digits(loss)} nats" if ends else "No validation yet")
        axes.set(xlabel="step", ylabel=LOSS_LABEL)
        draw_lines(axes, lines)
        axes.plot([], [], color=FAINT, linewidth=2, marker="o", markersize=5, label="validation")
        axes.plot([], [], color=FAINT, alpha=0.5, linewidth=1, label="training, smoothed")
        _legend_above(axes)
    return figure


def save_figure(figure: Figure, path: Path, *, new: bool = False) -> None:
    """Write a PNG, or an SVG by its name, atomically, without date or version inside; new, errors: as `write_bytes`."""
    kind = "svg" if path.suffix == ".svg" else "png"
    unsaid: dict[str, Any] = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    content = io.BytesIO()
    with _styled(), warnings.catch_warnings():
        # A letter that the font has not is an empty box, and that is all there is to say.
        warnings.filterwarnings("ignore", "Glyph .* missing from|Matplotlib currently does not support")
        figure.savefig(content, format=kind, dpi=_DPI, metadata=unsaid)
    write_bytes(path, content.getvalue(), new=new)


def training_curve(run: SavedRun) -> tuple[np.ndarray, np.ndarray]:
    """Steps and training losses of a run.  -> (N,), (N,)"""
    return _columns([(line["step"], line["loss"]) for line in run.metrics if "loss" in line])


def validation_curve(run: SavedRun) -> tuple[np.ndarray, np.ndarray]:
    """Steps and validation losses of a run.  -> (M,), (M,)"""
    return _columns([(line["step"], line["val_loss"]) for line in run.metrics if "val_loss" in line])


def run_headline(run: SavedRun) -> str:
    """What came of a run, in a line."""
    steps, losses = validation_curve(run)
    if run.record is not None and run.record.status == "diverged":
        return f"Diverged after step {run.record.steps}"
    if len(losses) < 2:
        return f"Validation loss {digits(losses[0])} nats, before any step" if len(losses) else "Nothing measured yet"
    verb = "fell" if losses[-1] < losses[0] else "rose"
    n_steps = int(steps[-1])
    unit = "step" if n_steps == 1 else "steps"
    return f"Validation loss {verb} from {digits(losses[0])} to {digits(losses[-1])} nats in {n_steps} {unit}"


def smoothed(losses: np.ndarray) -> tuple[np.ndarray, int]:
    """Moving mean over a twentieth of the steps, and how many that is.       (N,) -> (N - width + 1,)"""
    width = max(1, len(losses) // 20)
    return (np.convolve(losses, np.full(width, 1 / width), mode="valid") if len(losses) else losses), width


def centered(steps: np.ndarray, width: int) -> np.ndarray:
    """Where the means of `width` steps stand: in the middle of those.       (N,) -> (N - width + 1,)"""
    start = (width - 1) // 2
    return steps[start : start + max(0, len(steps) - width + 1)]


@contextmanager
def canvas(height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure 6 inches wide in the style of the house, with one pair of axes."""
    with empty_canvas(height) as figure:
        yield figure, figure.add_subplot()


@contextmanager
def empty_canvas(height: float) -> Iterator[Figure]:
    """The same, with nothing on it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # lazy: half a second, and only reports draw
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with _styled():
        figure = Figure(figsize=(_WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06))
        FigureCanvasAgg(figure)
        yield figure


@contextmanager
def _styled() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]  # its keys are literals
        yield


def draw_lines(axes: Axes, lines: Sequence[Line], *, is_loss: bool = True, whole_steps: bool = True) -> None:
    """Curves with bands, each named at the right; dots lead there from a curve that ends before.

    is_loss       They are losses from the first on, of which one may explode.
    whole_steps   The axis below counts steps.
    """
    last = max((line.steps[-1] for line in lines if len(line.steps)), default=0)
    for i, line in enumerate(lines):
        mark: dict[str, Any] = (
            {"marker": MARKERS[i % len(MARKERS)], "markersize": 4} if len(line.steps) <= _MOST_MARKS else {}
        )
        axes.plot(line.steps, line.losses, **stroke(i), linewidth=1.8, **mark)
        if line.low is not None and line.high is not None:
            axes.fill_between(line.steps, line.low, line.high, color=color(i), alpha=0.15, linewidth=0)
        if len(line.steps) and line.steps[-1] < last:
            axes.plot([line.steps[-1], last], [line.losses[-1]] * 2, ":", color=color(i), alpha=0.6, linewidth=1)
    first = [line.losses[0] for line in lines if len(line.losses) and is_loss]
    fit(axes, [loss for line in lines for loss in line.losses], first=first, whole_steps=whole_steps)
    _label_ends(axes, lines)


def _label_ends(axes: Axes, lines: Sequence[Line]) -> None:
    """Names in the right margin at the height of the curves' ends, pushed apart where they would touch."""
    to_height = axes.transData + axes.transAxes.inverted()
    ends = []
    for i, line in enumerate(lines):
        if len(line.losses):
            height = float(to_height.transform((line.steps[-1], line.losses[-1]))[1])
            ends.append((min(max(height, 0.0), 1.0), i, folded(line.label)))
    ends.sort()
    gap = _LABEL_GAP * max((label.count("\n") + 1 for _, _, label in ends), default=1)
    for height, (true_height, i, label) in zip(spread([end[0] for end in ends], gap), ends, strict=True):
        style: dict[str, Any] = {**stroke(i), "linewidth": 1.4, "clip_on": False}
        axes.plot([1.0, 1.04, 1.07], [true_height, height, height], transform=axes.transAxes, **style)
        axes.text(1.08, height, label, transform=axes.transAxes, color=INK, va="center", fontsize=8.5, linespacing=1)


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Ascending heights in 0 to 1, moved about as little as needed to stand `gap` apart: clusters centre on their mean.

    They stay in 0 to 1; the gap shrinks where they are too many for it.
    """
    gap = min(gap, 1 / max(1, len(heights) - 1))
    clusters: list[list[float]] = []
    for height in heights:
        clusters.append([height])
        while len(clusters) > 1 and _span(clusters[-2], gap)[1] + gap > _span(clusters[-1], gap)[0]:
            last = clusters.pop()
            clusters[-1] += last
    return [_span(cluster, gap)[0] + gap * i for cluster in clusters for i in range(len(cluster))]


def _span(cluster: Sequence[float], gap: float) -> tuple[float, float]:
    half = gap * (len(cluster) - 1) / 2
    center = min(max(sum(cluster) / len(cluster), half), 1 - half)
    return center - half, center + half


def fit(axes: Axes, losses: Sequence[float], *, first: Sequence[float], whole_steps: bool = True) -> None:
    """Limits of the axes; logarithmic where a run exploded from its first loss. Afterwards they stay.

    A run that learned a hundredfold has not exploded: all of it is drawn.
    """
    from matplotlib.ticker import MaxNLocator

    if explodes(losses, first):
        axes.set_ylim(log_limits(losses, first))
        axes.set_yscale("log")
    elif first and spans(losses):
        axes.set_yscale("log")
    if whole_steps:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.margins(x=0.02)
    axes.set_xlim(axes.get_xlim())
    axes.set_ylim(axes.get_ylim())


def without_the_start(lines: Sequence[Line]) -> list[Line]:
    """The curves from a tenth of the steps on, where they can be told apart, if three points of each come after it.

    The first fall is steeper than all that a study is about. All of them where one explodes or memorises.
    """
    last = max((line.steps[-1] for line in lines if len(line.steps)), default=0)
    late = [(line.steps >= last / 10) & np.isfinite(line.losses) for line in lines]
    if min((int(at.sum()) for at in late), default=0) < 3:
        return [*lines]
    cut = [
        Line(
            line.label,
            line.steps[at],
            line.losses[at],
            None if line.low is None else line.low[at],
            None if line.high is None else line.high[at],
        )
        for line, at in zip(lines, late, strict=True)
    ]
    return [*lines] if spans([loss for line in cut for loss in line.losses]) else cut


def cut_excursions(axes: Axes, lines: Sequence[Line]) -> list[str]:
    """Limit the axis to where curves begin and end, where one that strays in between would hide all others.

    Says how far it goes; nothing where none does. To be called before draw_lines.
    """
    lines = [line for line in lines if len(line.losses)]
    every = [x for line in lines for band in (line.losses, line.low, line.high) if band is not None for x in band]
    ends = [x for line in lines for x in (line.losses[0], line.losses[-1])]
    ends += [band[-1] for line in lines for band in (line.low, line.high) if band is not None]
    if not lines or not np.isfinite(every).all() or explodes(every, ends):
        return []
    low, high = min(ends), max(ends)
    if max(every) - min(every) <= 4 * (high - low):
        return []
    room = 0.05 * (high - low)
    axes.set_ylim(low - room, high + room)
    far = [rough(x) for x, is_out in ((min(every), min(every) < low - room), (max(every), max(every) > high + room))
           if is_out]  # fmt: skip
    return [f"what leaves the figure goes to {' and '.join(far)}"]


def title(figure: Figure, text: str) -> None:
    """Over the whole figure, from its left edge, in as many lines as it takes."""
    figure.suptitle(_balanced(inert(text), 60), x=0.016, ha="left", fontsize=11, fontweight="bold")


def note(figure: Figure, text: str) -> None:
    """How to read the marks, in small print at the foot."""
    figure.supxlabel(_balanced(inert(text), 104), x=0.016, ha="left", fontsize=7.5, color=FAINT)


def folded(name: str) -> str:
    """The name of a variant or a run, in two lines if it is long, broken before the setting nearest to its middle.

    In more lines if these are too long, too, without its middle where they would be more than four or five.
    """
    name = shortened(terminal(name, keep=""), 4 * _LONGEST_LINE)
    ends = [match.end() for match in re.finditer("=[^_=]+_| ", name)] or [m.end() for m in re.finditer("_", name)]
    lines = [name]
    if len(name) > _LABEL_WIDTH and ends:
        middle = min(ends, key=lambda end: abs(end - len(name) / 2))
        lines = [name[:middle].rstrip(), name[middle:]]
    return "\n".join(inert(part) for line in lines for part in wrap(line, _LONGEST_LINE, break_on_hyphens=False))


def explodes(losses: Sequence[float], first: Sequence[float]) -> bool:
    """Some loss is so far above the first ones that a linear axis would show nothing else."""
    return bool(_positive(first)) and max(_positive(losses), default=0) > _EXPLODED * max(_positive(first))


def spans(losses: Sequence[float]) -> bool:
    """The losses reach so far down that a linear axis would not show where they end."""
    found = _positive(losses)
    return bool(found) and len(found) == len(losses) and max(found) > _EXPLODED * min(found)


def log_limits(losses: Sequence[float], first: Sequence[float]) -> tuple[float, float]:
    """Around the losses, up to 100 times the first of them."""
    found = _positive(losses)
    return min(found) / 1.3, min(max(found), _MOST * max(_positive(first))) * 1.3


def _positive(losses: Sequence[float]) -> list[float]:
    return [loss for loss in losses if math.isfinite(loss) and loss > 0]


def color(i: int) -> str:
    """Of the i-th variant."""
    return COLORS[i % len(COLORS)]


def _balanced(text: str, most: int) -> str:
    """In as few lines as letters fit into `most`, and these of about one length."""
    n = len(wrap(text, most, break_on_hyphens=False))
    width = next(width for width in range(1, most + 1) if len(wrap(text, width, break_on_hyphens=False)) <= n)
    return "\n".join(wrap(text, width, break_on_hyphens=False))


def stroke(i: int) -> dict[str, Any]:
    """Color and dashes of the i-th line; other dashes where the colors begin again."""
    return {"color": color(i), "linestyle": DASHES[(i + i // len(COLORS)) % len(DASHES)]}


def _legend_above(axes: Axes) -> None:
    """Where no line runs."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=3, fontsize=8.5, borderaxespad=0.1)


def _columns(pairs: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    array = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return array[:, 0], array[:, 1]
