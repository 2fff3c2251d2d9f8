"""The report of a study in Markdown, from the files in its folder alone: the answer first, then what it rests on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import CheckpointError
from ....plain import code_span, markdown
from ....storage.atomic import remove_files, write_text
from ....storage.reading import decode_text, read_bytes
from ...ablation.grid import BUDGETS, AblationConfig
from ...ablation.study import FIGURES, Study
from ...analysis.findings import Analysis
from ...analysis.summary import ending
from ...statistics.joint import DRAWS, MOST_EXACT
from ...statistics.significance import bootstrap_narrowness
from ..figures import save_figure
from ..markdown import bullets, document, fenced, setting
from ..names import Names
from ..numbers import digits
from ..reproduce import ablation_command_line
from ..run import configuration, environment
from ..sentences import Style, answer
from .caveats import caveats
from .course import course_figure, course_text, courses
from .figures import costs, costs_differ, costs_text, curves_text, study_curves
from .forest import forest, forest_text
from .laws import law_section
from .tables import comparison_table, cost_table, course_table, mean_of, operations, result_table, tokens
from .tuning import rates, tuning_section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REMARK = "remark.md"
"""What the settings of a study do not say, for its report; a sweep of `nanochat learn` writes one."""

_TABLE_NOTE = """\
Sorted by validation loss after the last step, in nats per token (lower is better): the mean over seeds{spread}. \
Difference: this variant minus the baseline, seed by seed; its 95 % interval holds at once with those of all other \
comparisons of this report, and agrees with the verdict. Bits per byte are means over the bytes of the text: they \
leave out tokens that stand for none, such as the end of a document, and may rank otherwise. All figures are over the \
seeds that ended well; a variant with one that did not stands after the others. Every cell: \
[ablation.csv](ablation.csv), [ablation.jsonl](ablation.jsonl); its curve: `cells/`."""

_WITH_TEXT = """ ± half of its 95 % interval for other seeds and other text of this kind (in the first row {text} of \
text alone, {seeds} of seeds alone)"""

_TESTS_NOTE = """\
Decided by one test of all comparisons of this report, variants, axes, interactions and pairs: the signs of the seeds \
are flipped in all of them at once ({how}), and p (joint) is the share of flips in which the largest |t| is as large, \
step by step down (Westfall and Young 1993). Below 0.05 it counts: of studies in which nothing differs at most 5 % \
call anything better or worse. "(least)": no p is smaller with so many seeds, however clear the difference. p (t), p \
(sign flip), the t interval and the bootstrap (10,000 resamples of the seeds{narrow}) are of each comparison \
alone.{text} Pairs: runs with the same seed that both ended well; where one of two diverged, signed ranks decide, in \
which it is the largest."""

_LOOKS_NOTE = """\
Decided at planned looks (alpha {alpha:g} in all, by one test of all variants whose signs are flipped at once); the \
intervals of all looks hold together. Looks decide each variant against the baseline and nothing else: what is decided \
gets no more seeds, so that axes, interactions and which is best have none in common to be judged by; losses are means \
over the seeds that each variant has. p (t) and the t interval are of each comparison alone, and know of no looks."""

_AT_ZERO = " An interval that ends at 0.0000 has its sign from the test, which is sharper than the interval by itself."
_ON_TEXT = " On other text: for other seeds and other text of this kind, by losses in blocks."

_EFFECTS_NOTE = """\
A pair is two runs with the same seed and the same values of all other axes. A seed's difference is the mean over its \
pairs. In single combinations: the lowest and the highest mean difference over the combinations of the other axes; \
where they are far apart, the average says little about any one of them."""

_CROSSED_NOTE = """\
By how much the loss with both is another than the effects of each, added up: 0 where neither depends on the other."""

_COURSE_NOTE = """\
Paired differences at validations on the way, from a quarter of the run on, with 95 % t intervals over the seeds: each \
by itself, outside of the joint test. Change: of the size of the difference, for each doubling of the steps; \
*shrinks*, *grows*: its interval leaves 0; *lasts*: the difference is shown at both ends with one sign, and no change \
is; *turns*: with either sign; *shown late*: at the end, not at a quarter. What is shown at the end is the verdict."""

_DECAYING = (
    " On the way the learning rate is higher than at the end; `--ladder steps=...` trains each length to its end."
)

_TOGETHER = {"better": "better together", "worse": "worse together", "no difference seen": "they add up"}


_SAME_COSTS = "All variants have as many parameters, and take as many operations, as the baseline, to 1 %."


MARKDOWN = Style(name=markdown, verdict="**{}**".format)
"""Of the answer: names are words, verdicts bold."""


def write_study_report(analysis: Analysis, folder: Path) -> Path:
    """Write report.md and its figures beside the study's cells. Raises WriteError."""
    drawn = {name: figure for name, figure in _figures(analysis).items() if figure is not None}
    for name, figure in drawn.items():
        for kind in ("png", "svg"):
            save_figure(figure, folder / f"{name}.{kind}")
    remove_files(folder, [name for name in FIGURES if name.partition(".")[0] not in drawn])  # of an earlier version
    write_text(folder / "report.md", study_report(analysis, _remark(folder)))
    return folder / "report.md"


def _remark(folder: Path) -> str:
    """What whoever made the study put beside it. Raises CheckpointError where it cannot be read."""
    path = folder / REMARK
    return decode_text(read_bytes(path), str(path), CheckpointError).strip() if path.is_file() else ""


def _figures(analysis: Analysis) -> dict[str, Figure | None]:
    """By the names of their files; None where there is nothing to draw."""
    study = analysis.study
    return {
        "curves": study_curves(analysis),
        "course": course_figure(analysis),
        "forest": forest(analysis) if len(study.config.variants) > 1 else None,
        "costs": costs(analysis),
        "rates": rates(study) if study.tuning else None,
    }


def study_report(analysis: Analysis, remark: str = "") -> str:
    """The question and the answer first, then what they rest on; `remark` is what the settings do not say."""
    study = analysis.study
    crossed = " × ".join(Names(study.config).axes)  # explicit variants are each beside the baseline
    axes = ", ".join([*([crossed] if crossed else []), *map(markdown, study.config.explicit)])
    parts = [
        f"# Ablation: {axes}",
        f"**Question.** {_question(study)}",
        f"**Answer.** {answer(analysis, MARKDOWN)}",
        remark,
        _troubles(analysis),
        "## Result",
        result_table(analysis),
        _table_note(analysis),
        f"![{markdown(curves_text(analysis))}](curves.png)",
        *_differences(analysis),
        *tuning_section(analysis.study),
        "## Cost",
        cost_table(analysis),
        _cost_note(analysis),
        f"![{markdown(costs_text(analysis))}](costs.png)" if costs_differ(analysis) else _SAME_COSTS,
        *_left_out(study),
        "## Reproduce",
        fenced(ablation_command_line(study.config), "sh"),
        configuration(study.config.base, varied=study.config.varied),
        environment(study.environment, [result.environment or study.environment for result in study.results]),
        "## Caveats",
        bullets(caveats(analysis)),
    ]
    return document(parts)


def _a(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def varied_said(config: AblationConfig) -> str:
    """The axes and variants of a study with their values, as its question has them."""
    varied = [f"{code_span(path)} ({', '.join(map(setting, values))})" for path, values in config.axes.items()]
    for name, own in config.explicit.items():
        varied.append(f"{code_span(name)} ({', '.join(f'{path}={setting(value)}' for path, value in own.items())})")
    return ", ".join(varied)


def _question(study: Study) -> str:
    config, base = study.config, study.config.base
    seeds = "1 seed" if config.seeds == 1 else f"{config.seeds} seeds"
    if config.looks:
        seeds = f"{config.looks[0]} to {config.seeds} seeds, until decided,"
    unseen = "" if any(result.record.val_is_train for result in study.results) else "unseen "
    return (
        f"Which of {len(config.variants)} variants of {_a(base.model_kind)} model in {base.mode} mode predicts {unseen}"
        f"text of {code_span(base.data.source)} best{_after(study)}? Varied{_design(study)}: "
        f"{varied_said(config)}; {seeds} each."
    )


def _after(study: Study) -> str:
    """How long they train, where the study says that for all of them."""
    config, training = study.config, study.config.base.training
    steps = "1 step" if training.steps == 1 else f"{training.steps:,} steps"
    if {"training.steps", "training.epochs", "training.patience"} & set(config.varied):
        return ""
    if training.patience:
        return f" after at most {steps} (patience {training.patience})"
    if config.budget == "parameters":
        return f" with numbers of parameters as near as can be, after {steps}"
    if config.budget != "steps":
        return f" for the {BUDGETS[config.budget]} of {steps} of the baseline"
    return f" after {training.epochs:g} epochs" if training.epochs else f" after {steps}"


def _design(study: Study) -> str:
    config = study.config
    if config.design == "one-at-a-time":
        return ", one at a time from the baseline, which has the first value of each"
    return f", in a random part of the grid ({config.drawn})" if config.drawn else ""


def _troubles(analysis: Analysis) -> str:
    """Cells that ended badly or are missing, a line for each variant; nothing if all is well."""
    lines, study = [], analysis.study
    for summary in analysis.ranking:
        bad = [result for result in summary.results if not result.is_ok]
        for word in dict.fromkeys(map(ending, bad)):
            ended = [result.record for result in bad if ending(result) == word]
            seeds = f"seed{'s' if len(ended) > 1 else ''} {', '.join(str(record.seed) for record in ended)}"
            reason = ended[0].reason or "its validation loss is not a number"
            first = f"; with seed {ended[0].seed}" if len({record.reason for record in ended}) > 1 else ""
            lines.append(f"**{word.capitalize()}:** {code_span(summary.name)}, {seeds}{first}: {markdown(reason)}.")
    if study.missing:
        cells = f"{len(study.missing)} of {len(study.missing) + len(study.results)} cells"
        lines.append(f"**Not finished:** {cells} have no result yet; run the command below again to complete them.")
    return bullets(lines)


def _left_out(study: Study) -> list[str]:
    lines = [f"{code_span(name)}: {markdown(reason)}" for name, reason in study.config.skipped.items()]
    return ["## Left out", bullets(lines)] if lines else []


def _table_note(analysis: Analysis) -> str:
    best = next((one.on_text for one in analysis.ranking if one.on_text), None)
    if best is None or not math.isfinite(best.half_width):
        return _TABLE_NOTE.format(spread=" (± half of the 95 % t interval over them)")
    text, seeds = f"± {digits(best.of_text)}", f"± {digits(best.of_seeds)}"
    return _TABLE_NOTE.format(spread=_WITH_TEXT.format(text=text, seeds=seeds))


def _differences(analysis: Analysis) -> list[str]:
    if not analysis.comparisons:
        return []
    parts = [
        "## Differences",
        f"To the baseline {code_span(analysis.baseline)}:",
        comparison_table("variant", analysis.comparisons, {}),
        _tests_note(analysis),
        f"![{markdown(forest_text(analysis))}](forest.png)",
    ]
    if len(analysis.best) > 1:
        names = ", ".join(map(code_span, analysis.best))
        parts.append(f"Not shown to be beaten by any other: {names}. The best is one of these, at 95 %.")
    elif analysis.best:
        parts.append(f"{code_span(analysis.best[0])} is shown to be better than every other, at 95 %.")
    if analysis.effects:
        parts += ["What each axis does on average over the other axes, against its first value:"]
        parts += [comparison_table("value", analysis.effects, {}), _EFFECTS_NOTE]
    if analysis.interactions:
        parts += ["Whether one axis depends on another:"]
        parts += [comparison_table("values", analysis.interactions, _TOGETHER), _CROSSED_NOTE]
    if course := course_table(analysis):
        decays = analysis.study.config.base.training.lr_schedule != "constant"
        parts += ["Whether the differences last:", course, _COURSE_NOTE + (_DECAYING if decays else "")]
    parts += law_section(analysis)
    if courses(analysis):
        parts.append(f"![{markdown(course_text(analysis))}](course.png)")
    return parts


def _tests_note(analysis: Analysis) -> str:
    config, n = analysis.study.config, max(len(one.differences) for one in analysis.comparisons)
    shown = [*analysis.comparisons, *analysis.effects, *analysis.interactions]
    at_zero = any(0.0 in (one.interval.low, one.interval.high) for one in shown if one.word in ("better", "worse"))
    if config.looks:
        return _LOOKS_NOTE.format(alpha=config.alpha) + (_AT_ZERO if at_zero else "")
    narrow = ""
    if n > 1:
        narrow = f"; for {n} normal values about {100 * bootstrap_narrowness(n):.0f} % narrower than Student's"
    how = "every pattern of them" if config.seeds <= MOST_EXACT else f"{DRAWS:,} drawn patterns"
    text = _ON_TEXT if any(one.on_text for one in analysis.comparisons) else ""
    return _TESTS_NOTE.format(narrow=narrow, how=how, text=text + (_AT_ZERO if at_zero else ""))


def _cost_note(analysis: Analysis) -> str:
    """How the figures were taken, and how well a budget was kept."""
    note = (
        "All are means over seeds. Operations are those of forward and backward, counted from the configuration; "
        "seconds are of whole runs, validations included, beside whatever other cells were at work."
    )
    measured, config = {summary.name: summary for summary in analysis.ranking if summary.ok}, analysis.study.config
    baseline = measured.get(config.baseline)
    if config.budget == "steps" or baseline is None:
        return note
    if config.budget == "parameters":
        return f"{note} The MLP of each variant is as wide as comes nearest to {config.budget_asked:,} parameters."
    spent, what = tokens if config.budget == "tokens" else operations, BUDGETS[config.budget]
    amounts = [mean_of(one, spent) for one in measured.values()]
    ends = min(amounts), max(amounts)
    low, high = (f"{100 * (amount / mean_of(baseline, spent) - 1):+.1f} %" for amount in ends)
    return (
        f"{note} The budget is the {what} of the baseline, {config.budget_asked:,} for each seed on average; "
        f"the variants spent {ends[0]:,.0f} to {ends[1]:,.0f}, {low} to {high} from the baseline."
    )
