"""The report of a study in Markdown, from the files in its folder alone: the answer first, then what it rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..checkpoints.files import write_text
from .answer import answer, interval_of, interval_text, p_text, signed
from .comparisons import Comparison, compare, effects
from .figures import save_figure
from .report import bullets, configuration, count, data_caveats, document, environment, fenced, setting, table
from .reproduce import ablation_command_line
from .study import Study, read_study
from .study_figures import costs, forest, study_curves
from .summary import VariantSummary, is_sound, spell, summarise

FIGURES = ("curves.png", "forest.png", "costs.png")

_TABLE_NOTE = """\
Sorted by validation loss after the last step, in nats per token (lower is better): the mean over seeds ± half of its \
95 % t interval. Difference: this variant minus the baseline, seed by seed, with its 95 % t interval. Bits per byte, \
operations per token (forward and backward, counted from the configuration) and tokens per second are means. Every \
cell: [ablation.csv](ablation.csv), [ablation.jsonl](ablation.jsonl); its curve: `cells/`."""

_TESTS_NOTE = """\
p: of the paired t-test, and of the exact sign-flip test, which assumes no normal distribution and decides; the last \
is corrected by Holm's method for all comparisons of the table, and below 0.05 it counts. Bootstrap: 95 % percentile \
interval of the mean difference, 10,000 resamples of the seeds (too narrow for few seeds)."""

_T_FACTOR = {2: 12.7, 3: 4.3, 4: 3.2, 5: 2.8}
"""95 % quantiles of Student's t by number of values, where they are far from the normal 1.96."""


def write_study_report(folder: Path) -> Path:
    """Write report.md and its figures beside the study's cells. Raises CheckpointError, WriteError."""
    study = read_study(folder)
    for name, draw in zip(FIGURES, (study_curves, forest, costs), strict=True):
        if name != "forest.png" or len(study.config.variants) > 1:
            save_figure(draw(study), folder / name)
    write_text(folder / "report.md", study_report(study))
    return folder / "report.md"


def study_report(study: Study) -> str:
    """The question and the answer first, then what they rest on."""
    summaries, comparisons = summarise(study), compare(study)
    axes = " × ".join(path.rpartition(".")[2] for path in study.config.axes)
    parts = [
        f"# Ablation: {axes}",
        f"**Question.** {_question(study)}",
        f"**Answer.** {answer(study)}",
        _troubles(summaries, study),
        "## Result",
        _result_table(summaries, comparisons, study),
        _TABLE_NOTE,
        f"![{_curves_text(summaries)}](curves.png)",
        *_differences(study, comparisons),
        "## Cost",
        _cost_table(summaries),
        "Seconds are of whole runs, validations included, beside whatever other cells were at work; means over seeds.",
        f"![{_costs_text(summaries)}](costs.png)",
        *_left_out(study),
        "## Reproduce",
        fenced(ablation_command_line(study.config), "sh"),
        configuration(study.config.base, varied=study.config.axes),
        environment(study.environment),
        "## Caveats",
        bullets(_caveats(study, summaries)),
    ]
    return document(parts)


def _question(study: Study) -> str:
    config, base = study.config, study.config.base
    n = len(config.variants)
    axes = ", ".join(f"`{path}` ({', '.join(map(setting, values))})" for path, values in config.axes.items())
    seeds = "1 seed" if config.seeds == 1 else f"{config.seeds} seeds"
    after = f"after {base.training.steps:,} steps"
    if config.budget != "steps":
        what = "training tokens" if config.budget == "tokens" else "operations"
        after = f"for the {what} of {base.training.steps:,} steps of the baseline"
    return (
        f"Which of {n} variants of a {base.model_kind} model in {base.mode} mode predicts unseen text of "
        f"`{base.data.source}` best {after}? Varied{_design(study)}: {axes}; {seeds} each."
    )


def _design(study: Study) -> str:
    config = study.config
    if config.design == "one-at-a-time":
        return ", one at a time"
    return f", a random part of the grid (at most {config.max_cells} cells)" if config.max_cells else ""


def _troubles(summaries: Sequence[VariantSummary], study: Study) -> str:
    """Cells that ended badly or are missing, each by name; nothing if all is well."""
    seeds_of: dict[tuple[str, str, str], list[int]] = {}
    for summary in summaries:
        for result in summary.results:
            if not result.is_ok:
                reason = result.record.reason or "its validation loss is not a number"
                seeds_of.setdefault((summary.name, result.record.status, reason), []).append(result.record.seed)
    lines = [
        f"**{status.capitalize()}:** `{name}`, {'seed' if len(seeds) == 1 else 'seeds'} "
        f"{', '.join(map(str, seeds))}: {reason}."
        for (name, status, reason), seeds in seeds_of.items()
    ]
    if study.missing:
        cells = f"{len(study.missing)} of {len(study.missing) + len(study.results)} cells"
        lines.append(f"**Not finished:** {cells} have no result yet; run the command below again to complete them.")
    return bullets(lines)


def _left_out(study: Study) -> list[str]:
    lines = [f"`{name}`: {reason}" for name, reason in study.config.skipped.items()]
    return ["## Left out", bullets(lines)] if lines else []


def _result_table(summaries: Sequence[VariantSummary], comparisons: Sequence[Comparison], study: Study) -> str:
    header = ("variant", "validation loss", "difference", "its 95 % interval", "verdict", "bits per byte", "seeds")
    found = {one.variant: one for one in comparisons}
    rows = []
    for summary in summaries:
        one = found.get(summary.name)
        if not summary.results:
            rows.append((f"`{summary.name}`", "not run", "-", "-", "-", "-", "0"))
            continue
        loss = summary.ending or interval_text(summary)
        bits = "-" if summary.n_bad else spell(summary.mean_of("bits_per_byte"))
        verdict = "baseline" if one is None else "-" if one.reason else one.verdict
        difference, interval = ("-", "-") if one is None else (signed(one.interval.mean), interval_of(one))
        rows.append((f"`{summary.name}`", loss, difference, interval, verdict, bits, str(len(summary.results))))
    return table(header, rows, right={1, 2, 3, 5, 6})


def _differences(study: Study, comparisons: Sequence[Comparison]) -> list[str]:
    if not comparisons:
        return []
    parts = ["## Differences", f"To the baseline `{study.config.baseline}`:", _tests_table("variant", comparisons)]
    parts += [_TESTS_NOTE, f"![{_forest_text(study, comparisons)}](forest.png)"]
    averages = effects(study)
    if averages:
        parts += ["What each axis does on average over the other axes, against its first value:"]
        parts += [_tests_table("value", averages)]
    return parts


def _tests_table(first: str, comparisons: Sequence[Comparison]) -> str:
    header = (first, "difference", "95 % t interval", "bootstrap", "p (t)", "p (sign flip)", "p (Holm)", "verdict")
    rows = []
    for one in sorted(comparisons, key=lambda one: one.interval.mean if one.differences else math.inf):
        low, high = one.bootstrap
        resampled = f"{signed(low)} to {signed(high)}" if math.isfinite(low) else "-"
        numbers = (signed(one.interval.mean), interval_of(one), resampled, p_text(one.p_t), p_text(one.p_exact))
        rows.append((f"`{one.variant}`", *numbers, p_text(one.p_holm), one.verdict))
    return table(header, rows, right={1, 2, 3, 4, 5, 6})


def _cost_table(summaries: Sequence[VariantSummary]) -> str:
    header = ("variant", "parameters", "operations per token", "tokens/s", "seconds", "CPU seconds", "peak memory, MiB")
    rows = []
    for summary in summaries:
        if summary.ok:
            record, measured = summary.ok[0].record, summary.ok[0].measured
            seconds = [count(summary.mean_of_measured(name)) for name in ("wall_s", "cpu_s")]
            memory = count(summary.mean_of_measured("peak_memory_bytes") / 2**20)
            size = (
                f"{record.parameter_count:,}",
                f"{measured.flops_per_token:,}",
                count(summary.mean_of("tokens_per_sec")),
            )
            rows.append((f"`{summary.name}`", *size, *seconds, memory))
    return table(header, rows, right={1, 2, 3, 4, 5, 6}) if rows else "Nothing was measured."


def _caveats(study: Study, summaries: Sequence[VariantSummary]) -> list[str]:
    config = study.config
    caveats = []
    if config.seeds == 1:
        caveats.append("One seed: nothing here tells a better variant from a luckier one.")
    elif config.seeds in _T_FACTOR:
        caveats.append(
            f"{config.seeds} seeds: a t interval is {_T_FACTOR[config.seeds]} standard errors wide on each side and "
            "assumes that losses scatter about normally."
        )
    caveats.append(
        f"No difference seen means: the interval of the difference lies within ±{config.margin:g} nats. A smaller "
        "difference may still be there."
    )
    if len(config.variants) > 2:
        caveats.append("The best of several is chosen after the fact, which flatters it a little.")
    if "training.lr" not in config.axes:
        caveats.append("All variants use the same learning rate; none was tuned for itself.")
    if "training.steps" in config.axes or (config.budget == "steps" and _sizes_differ(summaries)):
        caveats.append("Variants get the same number of steps, not of operations: see the table of costs.")
    lazy = [f"`{summary.name}`" for summary in summaries if summary.ok and not summary.has_learned]
    if lazy:
        caveats.append(f"Ended no better than their first weights: {', '.join(lazy)}.")
    if study.results:
        typical = min(study.results, key=lambda result: not result.is_ok)  # the first that ended well, if one did
        caveats += data_caveats(config.base, asdict(typical.record))
    return caveats


def _sizes_differ(summaries: Sequence[VariantSummary]) -> bool:
    return len({summary.ok[0].measured.flops_per_token for summary in summaries if summary.ok}) > 1


def _curves_text(summaries: Sequence[VariantSummary]) -> str:
    ends = [f"{s.name} {spell(s.val_loss.mean)}" for s in summaries if s.ok]
    return f"Validation loss over the steps, one line a variant. At the end: {', '.join(ends)}."


def _forest_text(study: Study, comparisons: Sequence[Comparison]) -> str:
    words = "; ".join(f"{one.variant}: {one.verdict}" for one in comparisons)
    return f"Differences in validation loss to {study.config.baseline}, with 95 % intervals: {words}."


def _costs_text(summaries: Sequence[VariantSummary]) -> str:
    points = [
        f"{s.name} {spell(s.val_loss.mean)} nats with {s.ok[0].record.parameter_count:,} parameters in "
        f"{count(s.mean_of_measured('wall_s'))} s"
        for s in summaries
        if is_sound(s)
    ]
    return f"Validation loss against parameters and seconds of a run: {'; '.join(points)}."
