"""The report of a ladder: does a difference last, and was what the rungs foretold what came?"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...plain import code_span, link, markdown
from ...storage.atomic import write_text
from ..ablation.grid import BUDGETS
from ..reports.figures import VAL_LOSS_LABEL, Line, canvas, color, draw_lines, note, save_figure, title
from ..reports.markdown import bullets, document, fenced, table
from ..reports.names import Names, field_said, said
from ..reports.numbers import digits, rough, signed
from ..reports.reproduce import ablation_command_line
from ..reports.study.caveats import caveats
from ..reports.study.report import varied_said
from ..statistics.intervals import Interval, t_interval
from ..statistics.ladder import LEAST_RUNGS, Trend
from .climb import Climbed
from .lasting import outlooks, trends
from .plan import Ladder
from .register import Foretold, losses_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMED, _MOST_LINES = 2, 6
"""Variants of which the answer says what their difference does; lines that can be told apart in the figure."""
_APART = 1.03
"""From a variant's bar to the next one's at the same rung, in proportion."""
_LOSS_NOTE = """\
Validation loss after the last step, in nats per token: means over the seeds that ended well at every rung, with half \
of the 95 % t interval over them, for this text alone."""
_FORETOLD_NOTE = """\
Foretold by loss = E + A x^-a through four rungs below or more, of three seeds or more, and written to \
[ladder.json](ladder.json) before the rung was run; where the law holds the interval has the mean of as many seeds in \
95 of 100 ladders.{bent}{earlier}"""
_EARLIER = """ What stands there from three rungs is of an earlier version: without a floor E, which they cannot tell, \
what levels off is foretold too low. The answer does not count it."""
_BENT = """ No such law rises, and here the loss is shown to rise ({rises}; each by the 95 % \
t interval of the seeds' differences): a hit is no evidence for the law."""
_OUTLOOK_NOTE = """\
The verdict of the last rung within a third of the budget is expected of the last one, too, where its difference lasts \
or grows along the rungs up to there; of any other nothing is foretold."""
_LASTS_NOTE = """\
Variant minus baseline, seed by seed, with 95 % t intervals, each of its own variant and rung. Change: of the size of \
the difference, for each doubling. Shown is what the one test of a rung for all its questions calls better or worse: \
*lasts*: at the first and the last rung with one sign, and no change is seen; *shrinks*, *grows*: the interval of the \
change leaves 0; *turns*: shown with either sign; *shown late*: at the last rung, not at the first."""


def write_ladder_report(climbed: Climbed, folder: Path) -> Path:
    """Write report.md and the figure beside ladder.json. Raises WriteError."""
    figure = ladder_figure(climbed)
    for kind in ("png", "svg"):
        save_figure(figure, folder / f"ladder.{kind}")
    write_text(folder / "report.md", ladder_report(climbed))
    return folder / "report.md"


def ladder_report(climbed: Climbed) -> str:
    """The answer first, then losses, differences and predictions by rung."""
    ladder, rungs = climbed.register.ladder, climbed.rungs
    parts = [
        f"# Ladder over {field_said(ladder.path)}: {', '.join(map(str, ladder.values))}",
        f"**Question.** {_question(ladder)}",
        f"**Answer.** {markdown(ladder_answer(climbed))}",
        "## Loss at each rung",
        _losses(climbed),
        _LOSS_NOTE,
        "![Validation loss over the rungs; the numbers are in the table.](ladder.png)",
        *(["## Whether the differences last", _differences(climbed), _LASTS_NOTE] if _trends(climbed) else []),
        *(["## Verdicts from a third of the budget", _outlooks(climbed), _OUTLOOK_NOTE] if outlooks(climbed) else []),
        *_foretold_section(climbed),
        "## Rungs",
        bullets([_rung(climbed, value) for value in rungs]),
        "## Reproduce",
        fenced(f"{ablation_command_line(ladder.study)} --ladder {ladder.path}={_rungs(climbed)}", "sh"),
        *_caveats(climbed),
    ]  # fmt: skip
    return document(parts)


def ladder_answer(climbed: Climbed) -> str:
    """What the first differences do along the ladder, and how many predictions held."""
    ladder, name = climbed.register.ladder, Names(climbed.register.ladder.study)
    ends = [said(ladder.path, value) for value in (ladder.values[0], max(climbed.whole, default=ladder.values[0]))]
    found, words = _trends(climbed), []
    parts = [f"{_does(one)}{_ends(one)}" for one in found.values()]
    who = [f"the difference of {name(variant)} to {name(ladder.study.baseline)}" for variant in list(found)[:1]]
    who += [f"that of {name(variant)}" for variant in list(found)[1:]]
    named = [f"{one} {part}" for one, part in list(zip(who, parts, strict=True))[:_NAMED]]
    if named:
        rest = f"; {len(found) - _NAMED} more are in the table" if len(found) > _NAMED else ""
        words.append(f"From {ends[0]} to {ends[1]} {'; '.join(named)}{rest}.")
    told = [one for one in climbed.register.foretold if len(one.below) >= LEAST_RUNGS]
    known = [hit for one in told if (hit := is_hit(climbed, one)) is not None]
    if known:
        easy = sum(_holds_the_last(climbed, one) for one in told if is_hit(climbed, one))
        vague = f"; {easy} of these {'holds' if easy == 1 else 'hold'} the loss of the rung before, too" if easy else ""
        words.append(f"Of {len(known)} losses foretold {sum(known)} came within their intervals{vague}.")
    return " ".join(words) or "The rungs that were run tell nothing of a difference yet."


def is_hit(climbed: Climbed, one: Foretold) -> bool | None:
    """The mean that came lies in the interval; None where the rung was not run to its end, or no seed ended well."""
    found = _found(climbed, one)
    return None if found is None else one.low <= found.mean <= one.high


def _holds_the_last(climbed: Climbed, one: Foretold) -> bool:
    """The interval has the mean of the last rung below: who says that nothing changes is right, too."""
    before = climbed.whole.get(max(one.below))
    losses = [] if before is None else losses_of(one.variant, [before])[:, 0].tolist()
    return bool(losses) and one.low <= float(np.mean(losses)) <= one.high


def _rises(climbed: Climbed) -> list[str]:
    """Where a variant's loss is shown to be higher than one rung below, seed by seed."""
    found, folder_of = [], climbed.register.ladder.folder_of
    rungs = list(climbed.whole.items())
    for variant in climbed.register.ladder.study.variants:
        for (low, before), (high, after) in pairwise(rungs):
            losses = losses_of(variant, [before, after])
            if len(losses) > 1 and t_interval((losses[:, 1] - losses[:, 0]).tolist()).low > 0:
                found.append(f"{code_span(variant)} from {folder_of(low)} to {folder_of(high)}")
    return found


def ladder_figure(climbed: Climbed) -> Figure:
    """Loss over the rungs, a line a variant with its 95 % t interval; bars are what was foretold."""
    ladder = climbed.register.ladder
    name, shown = Names(ladder.study), list(ladder.study.variants)[:_MOST_LINES]
    values = list(climbed.whole)
    with canvas(height=max(3.8, 1.8 + 0.25 * len(shown))) as (figure, axes):
        axes.set_xscale("log")
        lines = []
        for i, variant in enumerate(shown):
            ends = [t_interval(column) for column in losses_of(variant, [*climbed.whole.values()]).T.tolist()]
            means, low, high = (np.array([getattr(one, end) for one in ends]) for end in ("mean", "low", "high"))
            lines.append(Line(name(variant), np.array(values if ends else []), means, low, high))
            for one in climbed.register.foretold:
                if one.variant == variant:
                    center = (one.low + one.high) / 2
                    style: dict[str, Any] = {"color": color(i), "capsize": 4, "linewidth": 1.2, "alpha": 0.8}
                    axes.errorbar(
                        [one.rung * _APART ** (i - len(shown) / 2)],
                        [center],
                        yerr=[(one.high - one.low) / 2],
                        fmt="none",
                        **style,
                    )
        draw_lines(axes, [line for line in lines if len(line.losses)], whole_steps=False)
        ticks = sorted({*values, *(one.rung for one in climbed.register.foretold)})
        axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
        axes.set_xticks([], minor=True)
        axes.set(xlabel=field_said(ladder.path), ylabel=VAL_LOSS_LABEL)
        title(figure, f"Validation loss over {field_said(ladder.path)}")
        hidden = len(ladder.study.variants) - len(shown)
        more = f"; {hidden} more variants are in the table" if hidden else ""
        note(figure, f"line: mean over seeds; band: 95 % t interval; bars: foretold from the rungs to the left{more}")
    return figure


def _question(ladder: Ladder) -> str:
    config, base = ladder.study, ladder.study.base
    tuned = f", {', '.join(map(code_span, config.tune))} tuned for each variant at each rung" if config.tune else ""
    equal = f", with numbers of {BUDGETS[config.budget]} as near as can be" if config.budget != "steps" else ""
    return (
        f"Do the differences between {len(config.variants)} variants of a {base.model_kind} model in {base.mode} mode "
        f"on {code_span(base.data.source)} last with growing {field_said(ladder.path)}{equal}? Varied: "
        f"{varied_said(config)}; {config.seeds} seeds at each rung{tuned}."
    )


def _caveats(climbed: Climbed) -> list[str]:
    """Of the last whole rung: what its report says of itself."""
    if not climbed.whole:
        return []
    value = max(climbed.whole)
    of = f"Of {climbed.register.ladder.folder_of(value)}; those of the other rungs are in their reports."
    return ["## Caveats", of, bullets(caveats(climbed.whole[value]))]


def _rung(climbed: Climbed, value: float) -> str:
    name, n = climbed.register.ladder.folder_of(value), len(climbed.rungs[value].study.missing)
    left = f": {'1 cell is' if n == 1 else f'{n} cells are'} still to be run" if n else ""
    return f"[{markdown(name)}]({link(name)}/report.md){left}"


def _trends(climbed: Climbed) -> dict[str, Trend]:
    return trends(climbed.register.ladder.study, climbed.whole)


def _losses(climbed: Climbed) -> str:
    ladder, rows = climbed.register.ladder, []
    for variant in ladder.study.variants:
        columns = losses_of(variant, [*climbed.whole.values()]).T.tolist()
        rows.append([code_span(variant), *(_plus_minus(t_interval(column)) for column in columns)])
    return table(("variant", *map(ladder.folder_of, climbed.whole)), rows, right={*range(1, 1 + len(climbed.whole))})


def _plus_minus(one: Interval) -> str:
    return f"{digits(one.mean)} ± {digits(one.half_width)}" if one.half_width == one.half_width else digits(one.mean)


def _differences(climbed: Climbed) -> str:
    ladder, found = climbed.register.ladder, _trends(climbed)
    n = len(next(iter(found.values())).rungs)
    rows = [
        [
            code_span(variant),
            *(f"{signed(end.mean)} ± {digits(end.half_width)}" for end in one.rungs),
            f"{signed(one.slope.low)} to {signed(one.slope.high)}",
            one.word,
        ]
        for variant, one in found.items()
    ]
    head = ("variant", *map(ladder.folder_of, climbed.whole), "change a doubling", "")
    return table(head, rows, right={*range(1, 2 + n)})


def _outlooks(climbed: Climbed) -> str:
    rows = []
    for one in outlooks(climbed):
        agrees = "" if one.expected is None else "yes" if one.expected == one.found else "**no**"
        rows.append([code_span(one.variant), one.word, one.does, one.expected or "nothing", one.found, agrees])
    first = outlooks(climbed)[0]
    rung, last = (climbed.register.ladder.folder_of(value) for value in (first.rung, first.last))
    return table(("variant", f"at {rung}", "along the rungs to it", "foretold", f"at {last}", "agree"), rows)


def _foretold_section(climbed: Climbed) -> list[str]:
    foretold = climbed.register.foretold
    if not foretold:
        return []
    earlier = _EARLIER if any(len(one.below) < LEAST_RUNGS for one in foretold) else ""
    rises = _rises(climbed)
    bent = _BENT.format(rises=", ".join(rises)) if rises else ""
    return ["## Foretold and found", _predictions(climbed), _FORETOLD_NOTE.format(bent=bent, earlier=earlier)]


def _predictions(climbed: Climbed) -> str:
    ladder, rows = climbed.register.ladder, []
    for one in climbed.register.foretold:
        found, hit = _found(climbed, one), is_hit(climbed, one)
        seen = "not run yet" if found is None else digits(found.mean)
        word = "" if hit is None else "hit" if hit else "**miss**"
        ends = f"{digits(one.low)} to {digits(one.high)}"
        below = f"{min(one.below):g} to {max(one.below):g}"
        rows.append([ladder.folder_of(one.rung), code_span(one.variant), digits(one.mean), ends, below, seen, word])
    head = ("rung", "variant", "foretold", "95 % interval", "from rungs", "found", "")
    return table(head, rows, right={2, 3, 5})


def _found(climbed: Climbed, one: Foretold) -> Interval | None:
    analysis = climbed.whole.get(one.rung)
    if analysis is None:
        return None
    losses = losses_of(one.variant, [analysis])[:, 0].tolist()
    return t_interval(losses) if losses else None


def _does(found: Trend) -> str:
    return {"not decided": "is not decided", "shown late": "is shown at the last rung alone"}.get(
        found.word, found.word
    )


def _ends(found: Trend) -> str:
    return f" (first {_sign(found.rungs[0].mean)}, last {_sign(found.rungs[-1].mean)} nats)"


def _sign(number: float) -> str:
    return f"{'+' if number > 0 else '-'}{rough(abs(number))}"


def _rungs(climbed: Climbed) -> str:
    return ",".join(map(str, climbed.register.ladder.values))
