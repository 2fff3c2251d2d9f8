"""Everything that a folder holds of compressed models, in one table and one figure: loss against bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import CheckpointError
from ...plain import code_span, link, markdown
from ...plain import figure as inert
from ...storage.atomic import write_text
from ..reports.figures import COLORS, FAINT, canvas, note, save_figure, title
from ..reports.markdown import bullets, document, fenced, table
from ..reports.numbers import digits, signed
from ..statistics.crossed import CrossedInterval, crossed_interval
from .record import Compression, Row, folders_of, read_compression
from .report import AT_WORK, gap_closed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BESIDE = 0.02
"""Of the bytes: marks whose numbers would stand on each other."""
_SMALL = 0.005
"""Nats: what is small enough to be called nothing in the first lines."""
_MARK = {"quantize": "o", "prune": "s", "distill": "^"}
_LEGEND = """\
Differences in nats a token of the validation text, token by token on the same tokens: means over the models, with the \
95 % interval for other models (seeds) and other text at once, crossed as in the ablations; of one model for other \
text alone. Bytes: of the weights in a file, as a share of the source's. *Front*: of no other are both bytes and mean \
loss as low; no test compares them. Times as fast: measured beside whatever else was at work."""


@dataclass(frozen=True)
class Line:
    """One method over all models that it was tried on."""

    method: str
    found: tuple[Compression, ...]

    @property
    def kind(self) -> str:
        """quantize, prune or distill."""
        return self.found[0].kind

    @property
    def cost(self) -> CrossedInterval:
        """The result minus its source."""
        return crossed([(one.result, one.before) for one in self.found])

    @property
    def share(self) -> float:
        """Of the source's bytes, the mean."""
        return float(np.mean([one.result.n_bytes / one.before.n_bytes for one in self.found]))

    def against(self, control: str) -> CrossedInterval | None:
        """The result minus a control by its name; None where not all have it."""
        pairs = [(one.result, row) for one in self.found for row in one.rows if row.name == control]
        return crossed(pairs) if len(pairs) == len(self.found) else None

    def controls(self) -> list[str]:
        """Names of those that all have."""
        names = [row.name for row in self.found[0].rows if row.role == "control"]
        return [name for name in names if self.against(name) is not None]


def crossed(pairs: Sequence[tuple[Row, Row]]) -> CrossedInterval:
    """The first of each pair minus the second, by model and block of text."""
    differences = [np.array(one.measured.blocks) - np.array(other.measured.blocks) for one, other in pairs]
    return crossed_interval(np.array(differences))


def write_front_report(folder: Path) -> Path:
    """Write report.md and front.png from the compression.json of each folder in it.

    Raises CheckpointError, WriteError.
    """
    lines, places = read_front(folder)
    save_figure(front_figure(lines), folder / "front.png")
    write_text(folder / "report.md", front_report(lines, places))
    return folder / "report.md"


def read_front(folder: Path) -> tuple[list[Line], Mapping[str, str]]:
    """The methods, smallest first, and the folder of each command's outcome by that command.

    Raises CheckpointError where outcomes are of other text, so that they do not lie in one figure.
    """
    read = {path.name: read_compression(path) for path in folders_of(folder)}
    texts = {(one.text.sha256, len(one.before.measured.blocks)) for one in read.values()}
    if len(texts) > 1:
        raise CheckpointError(
            f"{folder} holds models that were measured on {len(texts)} texts: report each in a folder"
        )
    groups: dict[str, dict[str, Compression]] = {}
    for one in read.values():
        groups.setdefault(one.method, {})[one.source.weights_sha256] = one
    lines = [Line(method, tuple(found.values())) for method, found in groups.items()]
    lines.sort(key=lambda line: (line.share, line.cost.mean))
    return lines, {one.command: name for name, one in read.items()}


def is_on_front(line: Line, lines: Sequence[Line]) -> bool:
    """No other is as small and better, or smaller and as good."""
    here = (line.share, line.cost.mean)
    others = [(other.share, other.cost.mean) for other in lines if other is not line]
    return not any(x <= here[0] and y <= here[1] and (x, y) != here for x, y in others)


def front_report(lines: Sequence[Line], places: Mapping[str, str]) -> str:
    """The answer first, then all methods, what was tuned against its control, and the commands."""
    sources = {one.source.weights_sha256: one for line in lines for one in line.found}
    parts = [
        "# Compressed models",
        *(f"**{markdown(sentence)}**" for sentence in answers(lines)[:1]),
        " ".join(map(markdown, answers(lines)[1:])),
        _sources(list(sources.values())),
        "![Loss against bytes; the numbers are in the table.](front.png)",
        "## All methods, the smallest first",
        _table(lines),
        _LEGEND,
        f"Of quantised models: {AT_WORK[:1].lower()}{AT_WORK[1:]}",
        *_against(lines),
        "## Caveats",
        bullets(_caveats(lines)),
        "## Reproduce",
        fenced("\n".join(one.command for line in lines for one in line.found), "sh"),
        "Each outcome: " + ", ".join(f"[{markdown(name)}]({link(name)}/)" for name in sorted(places.values())) + ".",
    ]
    return document(parts)


def _sources(sources: Sequence[Compression]) -> str:
    """Which models, and on what text."""
    text = sources[0].text
    sources = sorted(sources, key=lambda one: one.source.seed or 0)
    seeds = ", ".join(str(one.source.seed) for one in sources)
    losses = ", ".join(digits(one.before.measured.loss) for one in sources)
    return (
        f"Made of {len(sources)} {'model' if len(sources) == 1 else 'models'}, seeds {seeds}, losses {losses} nats a "
        f"token of {text.n_tokens:,} tokens of {code_span(text.source)} (sha256 "
        f"{code_span(str(text.sha256)[:12])})."
    )


def _caveats(lines: Sequence[Line]) -> list[str]:
    """What the figures do not show."""
    single = [markdown(line.method) for line in lines if len(line.found) == 1]
    found = ["All is measured on one text; models of another size or family may lose more, or less."]
    if single:
        found.append(f"Of one model, so that another seed may say otherwise: {'; '.join(single)}.")
    if len(lines) > 2:
        found.append("Each interval is of its own comparison: none is widened for how many there are.")
    return found


def answers(lines: Sequence[Line]) -> list[str]:
    """Sentences: what a teacher is worth in time, what the smallest harmless model is, what is faster."""
    said = []
    for line in lines:
        timed = next((name for name in line.controls() if "CPU time" in name), None)
        if timed is not None and (gap := line.against(timed)) is not None:
            of_one = len(line.found) == 1
            better = (
                "plain training is better"
                if gap.low > 0
                else "the teacher is better"
                if gap.high < 0
                else "neither is shown to be better"
            )
            said.append(
                f"Per second of CPU {better}{' in the one pair of runs' if of_one else ''}: {line.method} minus the "
                f"same student trained alone for as much CPU time is {_span(gap)} nats "
                f"({'1 model; interval for other text alone' if of_one else f'{len(line.found)} models'})."
            )
    harmless = [line for line in lines if line.cost.high <= _SMALL]
    if harmless:
        best = harmless[0]
        said.append(
            f"The smallest of which the interval stays below {_SMALL} nats is {best.method}: {best.share:.3f} of the "
            f"bytes, {_span(best.cost)} nats."
        )
    timed_lines = [line for line in lines if _forward(line) is not None and line.kind != "quantize"]
    if timed_lines:
        fastest = max(timed_lines, key=lambda line: _forward(line) or 0.0)
        said.append(
            f"The fastest is {fastest.method}: {_forward(fastest):.2f} times the tokens a second of whole rows."
        )
    return said


def front_figure(lines: Sequence[Line]) -> Figure:
    """Difference in loss against the share of bytes: a mark a method, its interval, a line through the front."""
    with canvas(height=5.2) as (figure, axes):
        front = [line for line in lines if is_on_front(line, lines)]
        axes.axhline(0, color=FAINT, linewidth=1)
        axes.plot([line.share for line in front], [line.cost.mean for line in front], color=FAINT, linewidth=1.2,
                  linestyle="--", zorder=1)  # fmt: skip
        for i, kind in enumerate(_MARK):
            of_kind = [line for line in lines if line.kind == kind]
            if of_kind:
                axes.errorbar(
                    [line.share for line in of_kind], [line.cost.mean for line in of_kind],
                    yerr=[np.nan_to_num(line.cost.half_width) for line in of_kind], fmt=_MARK[kind], color=COLORS[i],
                    capsize=3, markersize=6, linestyle="none", label=kind,
                )  # fmt: skip
        for number, line in enumerate(lines, 1):
            beside = [other.cost.mean for other in lines if abs(other.share - line.share) < _BESIDE]
            place = (6, -11 if line.cost.mean == min(beside) else 5 if line.cost.mean == max(beside) else -3)
            axes.annotate(
                str(number), (line.share, line.cost.mean), xytext=place, textcoords="offset points", fontsize=8
            )
        axes.set_yscale("symlog", linthresh=0.005)
        axes.set(
            xlabel="bytes of the weights, as a share of the source's", ylabel="loss minus the source's (nats a token)"
        )
        axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=3, fontsize=8.5)
        title(figure, "Loss against bytes")
        single = [number for number, line in enumerate(lines, 1) if len(line.found) == 1]
        alone = f" (of {', '.join(map(str, single))}: one model, other text alone)" if single else ""
        numbered = "; ".join(f"{number} {inert(line.method)}" for number, line in enumerate(lines, 1))
        note(figure, f"{numbered}. Bars: 95 % for other seeds and text{alone}; dashed: the front, by the means")
    return figure


def _table(lines: Sequence[Line]) -> str:
    rows = []
    for number, line in enumerate(lines, 1):
        found = [one.result for one in line.found]
        kl, same = (float(np.mean([getattr(row.measured, name) for row in found])) for name in ("kl", "argmax_equal"))
        forward = _forward(line)
        rows.append((
            str(number), markdown(line.method), str(len(found)), f"{line.share:.3f}",
            f"{np.mean([one.result.parameters / one.before.parameters for one in line.found]):.2f}", _span(line.cost),
            f"{kl:.2g}", f"{100 * same:.1f} %", "-" if forward is None else f"{forward:.2f}",
            "front" if is_on_front(line, lines) else "",
        ))  # fmt: skip
    header = ("", "method", "models", "bytes", "parameters", "against the source, nats", "KL", "same choice",
              "times as fast", "")  # fmt: skip
    return table(header, rows, right={0, 2, 3, 4, 5, 6, 7, 8})


def _against(lines: Sequence[Line]) -> list[str]:
    rows = []
    for line in lines:
        for name in line.controls():
            interval = line.against(name)
            if interval is not None:
                rows.append((markdown(line.method), markdown(name), _span(interval)))
    closed = [
        f"{markdown(line.method)} closes {np.mean(gaps):.2f} of the gap between the student trained alone for equal "
        f"steps and its teacher ({', '.join(f'{gap:.2f}' for gap in gaps) if len(gaps) > 1 else 'one pair of runs'})."
        for line in lines
        if (gaps := [gap for one in line.found if (gap := gap_closed(one)) is not None])
    ]
    if not rows:
        return []
    return [
        "## Against controls",
        table(("method", "control", "result minus control, nats"), rows, right={2}),
        bullets(closed),
    ]


def _forward(line: Line) -> float | None:
    """Times as fast on whole rows, the mean of the medians; None where none was timed."""
    times = [one.speed.forward[1] for one in line.found if one.speed is not None]
    return float(np.mean(times)) if times else None


def _span(interval: CrossedInterval) -> str:
    if np.isnan(interval.half_width):
        return signed(interval.mean)
    return f"{signed(interval.mean)} ({signed(interval.low)} to {signed(interval.high)})"
