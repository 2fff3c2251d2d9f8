"""Reports in Markdown, of a run and of a study, from the files in their folder alone. Figures lie beside them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..checkpoints.files import write_text
from ..training.config import RunConfig
from ..training.record import SavedRun, read_run
from .figures import ablation_curves, ablation_dots, loss_curve, run_headline, save_figure
from .grid import flatten
from .reproduce import ablation_command_line, command_line
from .runs import last_known
from .study import Study, read_study
from .summary import Finding, VariantSummary, find, spell, summarise

_TABLE_NOTE = """\
Sorted by validation loss after the last step, in nats per token (lower is better): the mean over seeds ± half of its \
95 % t interval. Bits per byte and tokens per second are means. Every cell: [ablation.csv](ablation.csv), \
[ablation.jsonl](ablation.jsonl)."""

_T_FACTOR = {2: 12.7, 3: 4.3, 4: 3.2, 5: 2.8}
"""95 % quantiles of Student's t by number of values, where they are far from the normal 1.96."""


def write_run_report(folder: Path, *, samples: Sequence[str] = ()) -> Path:
    """Write report.md and loss.png beside the run's files; `samples` are texts that the caller drew from the model.

    Raises CheckpointError, WriteError.
    """
    run = read_run(folder)
    save_figure(loss_curve(run), folder / "loss.png")
    write_text(folder / "report.md", run_report(run, samples))
    return folder / "report.md"


def write_study_report(folder: Path) -> Path:
    """Write report.md, curves.png and dots.png beside the study's cells. Raises CheckpointError, WriteError."""
    study = read_study(folder)
    save_figure(ablation_curves(study), folder / "curves.png")
    save_figure(ablation_dots(study), folder / "dots.png")
    write_text(folder / "report.md", study_report(study))
    return folder / "report.md"


def run_report(run: SavedRun, samples: Sequence[str] = ()) -> str:
    """What was trained, what came of it, and how to do it again."""
    row = last_known(run)
    parts = [
        f"# Run `{run.path.name}`",
        f"**{run_headline(run)}.** {_what_was_trained(run.config, row)}",
        _ending(row),
        "## Result",
        _table(("", "value"), _run_figures(row), right={1}),
        f"![{run_headline(run)}. Training and validation loss in nats per token over the steps.](loss.png)",
        *(["## Samples", *(_fenced(sample) for sample in samples)] if samples else []),
        "## Reproduce",
        _fenced(command_line(run.config), "sh"),
        "Every number: [metrics.jsonl](metrics.jsonl). Checkpoints are in `checkpoints/`.",
        _configuration(run.config),
        _environment(run.environment),
        "## Caveats",
        _bullets(_run_caveats(run.config, row)),
    ]
    return _document(parts)


def study_report(study: Study) -> str:
    """The question and the answer first, then what they rest on."""
    summaries = summarise(study)
    finding = find(summaries)
    axes = " × ".join(path.rpartition(".")[2] for path in study.config.axes)
    parts = [
        f"# Ablation: {axes}",
        f"**Question.** {_question(study)}",
        f"**Answer.** {answer(finding)}",
        _troubles(summaries, study),
        "## Result",
        _study_table(summaries),
        _TABLE_NOTE,
        f"![{_curves_text(summaries)}](curves.png)",
        f"![{_dots_text(summaries)}](dots.png)",
        "## Reproduce",
        _reproduce(study),
        _configuration(study.config.base, varied=study.config.axes),
        _environment(study.environment),
        "## Caveats",
        _bullets(_study_caveats(study, summaries)),
    ]
    return _document(parts)


def answer(finding: Finding | None) -> str:
    """Best variant, its lead over the second, and whether the seeds settle it."""
    if finding is None:
        return "None: every variant that was run diverged."
    best, second = finding.best, finding.second
    text = f"`{best.name}` is best, at {_spread(best)} nats per token."
    if second is None:
        return text + " No other variant ended without a diverged run, so there is nothing to compare it with."
    text += f" `{second.name}` follows {spell(finding.difference)} behind, at {_spread(second)}."
    seeds = min(len(best.ok), len(second.ok))
    if not finding.has_intervals:
        return text + " One seed gives no interval: the difference may be chance."
    if len(finding.leaders) == 1:
        return text + f" Their 95 % intervals over {seeds} seeds do not overlap."
    text += f" Their 95 % intervals overlap: {seeds} seeds do not settle which of the two is better."
    n = len(finding.leaders)
    if n == len(finding.ranking):
        return text
    others = "" if n == 2 else f" {n - 2} more overlap with the best as well."
    return (
        text
        + f"{others} The next, `{finding.ranking[n].name}`, is {spell(finding.gap)} behind the best and clear of it."
    )


def _question(study: Study) -> str:
    config, base = study.config, study.config.base
    n = len(config.variants)
    axes = ", ".join(f"`{path}` ({', '.join(map(_setting, values))})" for path, values in config.axes.items())
    seeds = "1 seed" if config.seeds == 1 else f"{config.seeds} seeds"
    return (
        f"Which of {n} variants of a {base.model_kind} model predicts unseen text of `{base.data.source}` best after "
        f"{base.training.steps:,} steps? Varied: {axes}; {seeds} each."
    )


def _troubles(summaries: Sequence[VariantSummary], study: Study) -> str:
    """Diverged and missing cells, each by name; nothing if all is well."""
    seeds_of: dict[tuple[str, str], list[int]] = {}
    for summary in summaries:
        for result in summary.results:
            if not result.is_ok:
                reason = result.record.reason or "its validation loss is not a number"
                seeds_of.setdefault((summary.name, reason), []).append(result.record.seed)
    lines = [
        f"**Diverged:** `{name}`, {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}: {reason}."
        for (name, reason), seeds in seeds_of.items()
    ]
    if study.missing:
        cells = f"{len(study.missing)} of {len(study.missing) + len(study.results)} cells"
        lines.append(f"**Not finished:** {cells} have no result yet; run the command below again to complete them.")
    return _bullets(lines)


def _study_table(summaries: Sequence[VariantSummary]) -> str:
    header = ("variant", "validation loss", "bits per byte", "parameters", "tokens/s", "seeds")
    rows = []
    for summary in summaries:
        n = len(summary.results)
        if not n:
            rows.append((f"`{summary.name}`", "not run", "-", "-", "-", "0"))
            continue
        diverged = f"diverged ({summary.n_diverged} of {n})"
        loss, bits = (
            (diverged, "-") if summary.n_diverged else (_spread(summary), spell(summary.mean_of("bits_per_byte")))
        )
        speed, n_parameters = summary.mean_of("tokens_per_sec"), summary.results[0].record.parameter_count
        rows.append((f"`{summary.name}`", loss, bits, f"{n_parameters:,}", _count(speed), str(n)))
    return _table(header, rows, right={1, 2, 3, 4, 5})


def _study_caveats(study: Study, summaries: Sequence[VariantSummary]) -> list[str]:
    config = study.config
    caveats = []
    if config.seeds == 1:
        caveats.append("One seed: nothing here tells a better variant from a luckier one.")
    elif config.seeds in _T_FACTOR:
        caveats.append(
            f"{config.seeds} seeds: the interval is {_T_FACTOR[config.seeds]} standard errors wide on each side and "
            "assumes that losses scatter about normally. Overlap does not show that two variants are equal."
        )
    caveats.append(
        "Variants share data order and seeds, so differences between them are surer than these intervals, which treat "
        "each variant on its own."
    )
    if len(config.variants) > 2:
        caveats.append("The best of several is chosen after the fact, which flatters it a little.")
    if "training.lr" not in config.axes:
        caveats.append("All variants use the same learning rate; none was tuned for itself.")
    lazy = [f"`{summary.name}`" for summary in summaries if summary.ok and not summary.has_learned]
    if lazy:
        caveats.append(f"Ended no better than their first weights: {', '.join(lazy)}.")
    if study.results:
        typical = min(study.results, key=lambda result: not result.is_ok)  # the first that ended well, if one did
        caveats += _data_caveats(config.base, asdict(typical.record))
    return caveats


def _run_caveats(config: RunConfig, row: Mapping[str, Any]) -> list[str]:
    first = "One run with one seed: another seed gives another loss; `nanochat ablate` shows by how much."
    return [first, *_data_caveats(config, row)]


def _data_caveats(config: RunConfig, row: Mapping[str, Any]) -> list[str]:
    """How much text stands behind the figures."""
    caveats = []
    if row.get("train_tokens"):
        seen = row["steps"] * row["tokens_per_sec"] / row["steps_per_sec"] if row["steps"] else 0
        passes = seen / row["train_tokens"]
        caveats.append(
            f"{row['steps']:,} steps saw {_count(seen)} tokens, {passes:.2g} passes over the "
            f"{row['train_tokens']:,} of the training text."
        )
    if config.training.eval_tokens:
        caveats.append(
            f"The validation loss is of at most {config.training.eval_tokens:,} tokens, evenly spread over the "
            "validation text, the same in every run."
        )
    return caveats


def _what_was_trained(config: RunConfig, row: Mapping[str, Any]) -> str:
    size = f" with {row['parameter_count']:,} parameters" if row.get("parameter_count") else ""
    text = (
        f"A {config.model_kind} model{size} in {config.mode} mode, preset `{config.preset}`, on `{config.data.source}`"
    )
    if row.get("train_tokens"):
        text += f" ({row['train_tokens']:,} training tokens, a vocabulary of {row['vocab_size']})"
    return f"{text}, seed {config.seed}."


def _ending(row: Mapping[str, Any]) -> str:
    if row["status"] == "ok":
        return ""
    if row["status"] == "unfinished":
        return f"**Not finished:** the run has no record; its metrics end at step {row['steps']:,}."
    return f"**{row['status'].capitalize()}:** {row['reason']}."


def _run_figures(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The rows of a run's table, those that are known."""
    losses = {
        "validation loss (nats per token)": "val_loss",
        "... of the first weights": "initial_loss",
        "... at its lowest": "best_val_loss",
        "perplexity": "perplexity",
        "bits per byte": "bits_per_byte",
        "training loss, last step": "final_loss",
        f"training loss, mean of the last {row.get('last_n', 0)} steps": "mean_loss_last_n",
    }
    figures = [(label, spell(row[name])) for label, name in losses.items() if row.get(name) is not None]
    counts = {"steps": "steps", "steps per second": "steps_per_sec", "tokens per second": "tokens_per_sec"}
    return figures + [(label, _count(row[name])) for label, name in counts.items() if row.get(name) is not None]


def _reproduce(study: Study) -> str:
    command = ablation_command_line(study.config)
    if command is not None:
        return _fenced(command, "sh")
    python = (
        "from pathlib import Path\n"
        "from nanochat.experiments.ablate import read_config, run_ablation\n\n"
        'run_ablation(read_config(Path("config.json")), Path("again"))'
    )
    return "In this folder, with Python:\n\n" + _fenced(python, "python")


def _configuration(config: RunConfig, varied: Mapping[str, Any] | None = None) -> str:
    left_out = varied or {}
    settings = [(f"`{name}`", _setting(v)) for name, v in flatten(asdict(config)).items() if name not in left_out]
    note = " (axes and seeds aside)" if varied else ""
    parts = ["## Configuration", "Complete in [config.json](config.json)."]
    parts += [f"<details>\n<summary>All settings{note}</summary>", _table(("setting", "value"), settings, right={1})]
    return "\n\n".join([*parts, "</details>"])


def _environment(environment: Mapping[str, Any]) -> str:
    rows = [(name.removeprefix("packages."), _setting(value)) for name, value in flatten(environment).items()]
    return "## Environment\n\n" + _table(("", "version or value"), rows)


def _curves_text(summaries: Sequence[VariantSummary]) -> str:
    ends = [f"{s.name} {spell(s.val_loss.mean)}" for s in summaries if s.ok]
    return f"Validation loss over the steps, one line a variant. At the end: {', '.join(ends)}."


def _dots_text(summaries: Sequence[VariantSummary]) -> str:
    return f"Final validation loss of each seed of {len(summaries)} variants, with means and 95 % intervals."


def _spread(summary: VariantSummary) -> str:
    interval = summary.val_loss
    return spell(interval.mean) + (f" ± {spell(interval.half_width)}" if math.isfinite(interval.half_width) else "")


def _count(number: float) -> str:
    if math.isnan(number):
        return "-"
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _setting(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] | set[int] = frozenset()) -> str:
    lines = [header, ["--:" if i in right else ":--" for i in range(len(header))], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _fenced(text: str, language: str = "") -> str:
    """A block of code whatever the text holds: the fence is longer than any inside."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _document(parts: Sequence[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
