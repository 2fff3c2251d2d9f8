"""The report of a study in Markdown, from the files in its folder alone: the answer first, then what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ....plain import code_span, markdown
from ....storage.atomic import remove_files, write_text
from ...ablation.grid import BUDGETS, AblationConfig
from ...ablation.study import FIGURES, Study
from ...analysis.findings import Analysis
from ...analysis.summary import VariantSummary, ending
from ...statistics.intervals import t_quantile
from ...statistics.significance import MOST_EXACT, bootstrap_narrowness
from ..figures import save_figure
from ..markdown import bullets, document, fenced, setting
from ..reproduce import ablation_command_line
from ..run import configuration, data_caveats, environment, text_seen
from ..sentences import Style, answer
from .course import course_figure, course_text, courses
from .figures import costs, costs_text, curves_text, study_curves
from .forest import forest, forest_text
from .tables import cost_table, differ, mean_of, operations, result_table, steps, tests_table, tokens
from .tuning import rates, tuning_caveats, tuning_section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TABLE_NOTE = """\
Sorted by validation loss after the last step, in nats per token (lower is better): the mean over seeds ± half of its \
95 % t interval. Difference: this variant minus the baseline, seed by seed, with its 95 % t interval. Bits per byte \
are means over the bytes of the text: they leave out tokens that stand for none, such as the end of a document, and \
may rank otherwise. All figures are over the seeds that ended well; a variant with one that did not stands after the \
others. Every cell: [ablation.csv](ablation.csv), [ablation.jsonl](ablation.jsonl); its curve: `cells/`."""

_TESTS_NOTE = """\
p: of the paired t-test, and of the sign-flip test ({how}), which assumes no normal distribution and decides; the last \
is corrected by Holm's method for all comparisons of the table, and below 0.05 it counts. Bootstrap: 95 % percentile \
interval of the mean difference, 10,000 resamples of the seeds{narrow}. Pairs: runs with the same seed that both ended \
well; others are left out."""

_EFFECTS_NOTE = """\
A pair is two runs with the same seed and the same values of all other axes. A seed's difference is the mean over its \
pairs; the seeds are tested as above, with a correction for the rows of this table. In single combinations: the lowest \
and the highest mean difference over the combinations of the other axes; where they are far apart, the average says \
little about any one of them."""


_SAME_COSTS = "All variants have as many parameters, and take as many operations, as the baseline."


MARKDOWN = Style(name=code_span, verdict="**{}**".format)
"""Of the answer: names as code, verdicts bold."""


def write_study_report(analysis: Analysis, folder: Path) -> Path:
    """Write report.md and its figures beside the study's cells. Raises WriteError."""
    drawn = {name: figure for name, figure in _figures(analysis).items() if figure is not None}
    for name, figure in drawn.items():
        for kind in ("png", "svg"):
            save_figure(figure, folder / f"{name}.{kind}")
    remove_files(folder, [name for name in FIGURES if name.partition(".")[0] not in drawn])  # of an earlier version
    write_text(folder / "report.md", study_report(analysis))
    return folder / "report.md"


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


def study_report(analysis: Analysis) -> str:
    """The question and the answer first, then what they rest on."""
    study = analysis.study
    axes = " × ".join([*(path.rpartition(".")[2] for path in study.config.axes), *study.config.explicit])
    parts = [
        f"# Ablation: {axes}",
        f"**Question.** {_question(study)}",
        f"**Answer.** {answer(analysis, MARKDOWN)}",
        _troubles(analysis),
        "## Result",
        result_table(analysis),
        _TABLE_NOTE,
        f"![{markdown(curves_text(analysis))}](curves.png)",
        *_differences(analysis),
        f"![{markdown(course_text(analysis))}](course.png)" if courses(analysis) else "",
        *tuning_section(analysis.study),
        "## Cost",
        cost_table(analysis),
        _cost_note(analysis),
        f"![{markdown(costs_text(analysis))}](costs.png)" if costs(analysis) else _SAME_COSTS,
        *_left_out(study),
        "## Reproduce",
        fenced(ablation_command_line(study.config), "sh"),
        configuration(study.config.base, varied=study.config.varied),
        environment(study.environment, [result.environment or study.environment for result in study.results]),
        "## Caveats",
        bullets(caveats(analysis)),
    ]
    return document(parts)


def _question(study: Study) -> str:
    config, base = study.config, study.config.base
    varied = [f"{code_span(path)} ({', '.join(map(setting, values))})" for path, values in config.axes.items()]
    for name, own in config.explicit.items():
        varied.append(f"{code_span(name)} ({', '.join(f'{path}={setting(value)}' for path, value in own.items())})")
    seeds = "1 seed" if config.seeds == 1 else f"{config.seeds} seeds"
    if config.looks:
        seeds = f"{config.looks[0]} to {config.seeds} seeds, until decided,"
    unseen = "" if any(result.record.val_is_train for result in study.results) else "unseen "
    return (
        f"Which of {len(config.variants)} variants of a {base.model_kind} model in {base.mode} mode predicts {unseen}"
        f"text of {code_span(base.data.source)} best{_after(study)}? Varied{_design(study)}: "
        f"{', '.join(varied)}; {seeds} each."
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
        return f" with equal numbers of parameters, after {steps}"
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


def _differences(analysis: Analysis) -> list[str]:
    if not analysis.comparisons:
        return []
    n, narrow = max(len(one.differences) for one in analysis.comparisons), ""
    if n > 1:
        narrow = f" (for {n} normal values about {100 * bootstrap_narrowness(n):.0f} % narrower than Student's)"
    parts = [
        "## Differences",
        f"To the baseline {code_span(analysis.baseline)}:",
        tests_table("variant", analysis.comparisons),
    ]
    how = "exact" if n <= MOST_EXACT else "by 100,000 drawn patterns of signs"
    parts += [_TESTS_NOTE.format(narrow=narrow, how=how), f"![{markdown(forest_text(analysis))}](forest.png)"]
    if analysis.effects:
        parts += ["What each axis does on average over the other axes, against its first value:"]
        parts += [tests_table("value", analysis.effects), _EFFECTS_NOTE]
    return parts


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


_FEW = 5
"""Up to so many seeds the quantile of Student's t is far from the normal 1.96."""


def caveats(analysis: Analysis) -> list[str]:
    """A sentence or two each."""
    config = analysis.study.config
    found = _of_seeds(config.seeds_of(config.baseline))
    found += _of_growth(config)
    found.append(
        f"No difference seen means: the interval of the difference lies within ±{config.margin:g} nats. A smaller "
        "difference may still be there."
    )
    if len(config.variants) > 2:
        found.append("The best of several is chosen after the fact, which flatters it a little.")
    if config.tuned:
        found += tuning_caveats(analysis.study)
    elif "training.lr" not in config.varied:
        found.append("All variants use the same learning rate; none was tuned for itself.")
    measured = [summary for summary in analysis.ranking if summary.ok]
    if any(summary.n_bad for summary in analysis.ranking):
        found.append("A run that ended badly is left out of means and pairs, which flatters a variant that has some.")
    found += _unequal(measured)
    lazy = [code_span(summary.name) for summary in measured if not summary.has_learned]
    if lazy:
        found.append(f"Ended no better than their first weights: {', '.join(lazy)}.")
    return found + _of_text(analysis.study)


def _of_seeds(n: int) -> list[str]:
    if n == 1:
        return ["One seed: nothing here tells a better variant from a luckier one."]
    if n > _FEW:
        return []
    errors = f"{t_quantile(0.975, n - 1):.1f} standard errors"
    return [f"{n} seeds: a t interval is {errors} wide on each side and assumes that losses scatter about normally."]


def _of_growth(config: AblationConfig) -> list[str]:
    """How the number of seeds was chosen, where it was not fixed."""
    if config.looked:
        decided = "decided" if config.looked[-1] < config.seeds else "looked at for the last time"
        looks = ", ".join(map(str, config.looks))
        return [
            f"Seeds were added by a plan (looks at {looks}; alpha {config.alpha:g}), {decided} at {config.looked[-1]}."
        ]
    if not config.grown:
        return []
    before = " and ".join(map(str, config.grown))
    grew = f"This study was reported with {before} seeds before it grew without a plan"
    return [f"{grew}: of studies that grow until something shows, more than 5 % show what is not there."]


def _unequal(measured: Sequence[VariantSummary]) -> list[str]:
    """What the variants were not given the same of."""
    figures = {"steps": steps, "tokens": tokens, "operations": operations}
    unequal = [word for word, figure in figures.items() if differ(measured, figure)]
    if not unequal:
        return []
    return [f"Variants did not get the same number of {' or of '.join(unequal)}: see the table of costs."]


def _of_text(study: Study) -> list[str]:
    """How much text was trained and validated on."""
    trained = [result for result in study.results if result.is_ok] or list(study.results)
    if not trained:
        return []
    found, n_tokens = [], [result.measured.tokens for result in trained]
    if any(n_tokens):
        n_steps = [result.record.steps for result in trained]
        found.append(text_seen(n_steps, n_tokens, trained[0].record.train_tokens))
    return found + data_caveats(study.config.base, asdict(trained[0].record))
