"""The report of training in phases: each phase, what the model said before and after it, how well it answers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from ...data.dataset import build_dataset
from ...inference.counts import counts_language_model
from ...inference.generate import draw_steps
from ...inference.language_model import LanguageModel, load
from ...inference.samplers import Sampling
from ...machine import peak_bytes
from ...plain import code_span, link, markdown, shown_path
from ...storage.atomic import read_json, write_json, write_text
from ...training.folder.record import SavedRun, read_run
from ...training.schedule import epoch_of
from ..evaluation.evaluate import Report, evaluate_model
from ..evaluation.identity import identity
from ..evaluation.quiz import GROUPS, TOLD, UNDERSTOOD, Answered, ask, by_group, questions_about
from ..evaluation.report import caveats, share_text, to_dict, to_markdown
from ..reports.markdown import bullets, document, fenced, table
from ..reports.numbers import count, digits
from ..reports.run import environment
from .recipe import PhasedRecipe
from .train import folder_of, untrained


def write_phases_report(out: Path, recipe: PhasedRecipe, command: str) -> Report:
    """Evaluate the last phase's model; write evaluation.json and report.md. Raises WriteError."""
    folders = [folder_of(out, recipe, number) for number in range(1, len(recipe.phases) + 1)]
    runs = [read_run(folder) for folder in folders]
    model, last = load(folders[-1]), runs[-1].config
    questions = questions_about(recipe.questions)
    max_replies = 0 if questions else 500  # questions say more, and "Tell me something." has many right answers
    report = evaluate_model(model, last.data, questions=questions, max_replies=max_replies)
    baselines: dict[str, Sequence[Answered]] = {}
    if questions:
        counts = counts_language_model(build_dataset(last.data, model.tokenizer), boost_futuristic=False)
        baselines = {"untrained": ask(untrained(last, model), questions), "bigram counts": ask(counts, questions)}
    costs = measure_costs(model)
    of = identity(model, folders[-1], last.data, questions=recipe.questions)
    write_json(out / "evaluation.json", to_dict(report, baselines) | {"costs": asdict(costs), "of": of})
    samples = read_json(out / "samples.json") if recipe.prompts else {}
    write_text(out / "report.md", phases_report(recipe, runs, report, baselines, samples, costs, command))
    return report


def phases_report(
    recipe: PhasedRecipe,
    runs: Sequence[SavedRun],
    report: Report,
    baselines: Mapping[str, Sequence[Answered]],
    samples: Mapping[str, Sequence[str]],
    costs: Costs,
    command: str,
) -> str:
    """Markdown, the outcome first."""
    parts = [
        f"# {markdown(recipe.title or recipe.name)}",
        _outcome(report),
        "## Phases",
        table(_PHASE_COLUMNS, [_row(phase.about, run) for phase, run in zip(recipe.phases, runs, strict=True)], {3, 4}),
        *_epochs(runs),
        *[
            f"![Phase {_name(run)}: training and validation loss over the steps.]({link(run.path.name)}/loss.png)"
            for run in runs
        ],
        *_samples(recipe, samples),
        *to_markdown(report, baselines),
        *_costs(runs, costs),
        "## Reproduce",
        fenced(command, "sh"),
        environment(runs[-1].environment, [run.environment for run in runs]),
        "## Caveats",
        bullets(_caveats(report, recipe)),
    ]
    return document(parts)


_PHASE_COLUMNS = ("phase", "text", "what for", "steps", "seconds", "training loss", "validation loss")


def _row(about: str, run: SavedRun) -> tuple[str, ...]:
    record, settings = run.record, run.config.training
    assert record is not None, "a phase that is reported has ended"
    return (
        f"[{_name(run)}]({link(run.path.name)}/report.md)",
        code_span(run.config.data.source),
        markdown(about),
        count(record.steps) + (f" ({settings.epochs:g} epochs)" if settings.epochs else ""),
        count(record.steps / record.steps_per_sec),
        digits(record.mean_loss_last_n),
        digits(record.val_loss),
    )


def _name(run: SavedRun) -> str:
    return markdown(shown_path(run.path.name))


def _epochs(runs: Sequence[SavedRun]) -> list[str]:
    """The training loss of epochs on the way, of phases that are measured in epochs."""
    rows = [(_name(run), epoch, loss) for run in runs for epoch, loss in epoch_losses(run).items()]
    shown = sorted({epoch for _, epoch, _ in rows if _is_mark(epoch)})
    if not shown:
        return []
    names = list(dict.fromkeys(name for name, *_ in rows))
    losses = {(name, epoch): digits(loss) for name, epoch, loss in rows}
    body = [(name, *(losses.get((name, epoch), "-") for epoch in shown)) for name in names]
    columns = ("training loss of epoch", *map(str, shown))
    return [table(columns, body, set(range(1, len(columns)))), "Nats per token, the mean over the epoch."]


def epoch_losses(run: SavedRun) -> dict[int, float]:
    """Mean training loss of each whole epoch, from 1, in nats a token; {} for a run that is measured in steps."""
    epochs, steps = run.config.training.epochs, run.config.training.steps
    taken: dict[int, list[tuple[float, int]]] = {}
    for row in run.metrics if epochs else ():
        if "loss" in row:
            taken.setdefault(epoch_of(row["step"], steps / epochs), []).append((row["loss"], row["n_tokens"]))
    return {
        epoch: sum(loss * n for loss, n in each) / max(1, sum(n for _, n in each))
        for epoch, each in sorted(taken.items())
        if epoch <= epochs  # the last one may be a part
    }


def _is_mark(epoch: int) -> bool:
    """1, 2, 5, 10, 20, 50, ..."""
    return str(epoch).rstrip("0") in ("1", "2", "5")


def _costs(runs: Sequence[SavedRun], costs: Costs) -> list[str]:
    records = [run.record for run in runs if run.record is not None]
    training_s = sum(record.steps / record.steps_per_sec for record in records)
    rows = [
        ("training, all phases", f"{training_s:.0f} s"),
        ("decoding a token", f"{costs.ms_per_token:.2f} ms"),
        ("memory at most", f"{count(costs.peak_memory_bytes / 2**20)} MiB" if costs.peak_memory_bytes else "unknown"),
    ]
    legend = "A token of one text, greedy, with the KV cache; memory of the whole process, evaluation included."
    return ["## Costs", table(("", "value"), rows, {1}), legend]


def _outcome(report: Report) -> str:
    """The share that matters most, in words: taught facts asked for in words that were never taught."""
    groups = by_group(report.answered)
    understood, known = groups.get(UNDERSTOOD), groups.get(TOLD)
    if understood is None:
        return f"**Validation loss {digits(report.text.loss)} nats per token** on {code_span(report.source)}."
    text = f"**{share_text(understood)} of the taught facts are answered when asked in words that no training held.**"
    later = [share_text(groups[name], short=True) for name, *_, turn in GROUPS if turn > 1]
    text += f" As the second, third and fourth question of a conversation: {', '.join(later)}."
    if known is not None:
        text += f" Of facts that were told, but never asked for in training, {share_text(known)}."
    return text


def _samples(recipe: PhasedRecipe, samples: Mapping[str, Sequence[str]]) -> list[str]:
    if not samples:
        return []
    names = [name for name in ("untrained", *(phase.name for phase in recipe.phases)) if name in samples]
    rows = [
        (markdown(prompt), *(markdown(samples[name][i]) or "(nothing)" for name in names))
        for i, prompt in enumerate(recipe.prompts)
    ]
    header = ("asked", *("before" if name == "untrained" else f"after {markdown(name)}" for name in names))
    return ["## Before and after", table(header, rows)]


def _caveats(report: Report, recipe: PhasedRecipe) -> list[str]:
    lines = [
        "One run with one seed: another seed gives other figures.",
        *map(markdown, recipe.caveats),
        *caveats(report),
    ]
    if report.answered:
        lines.append("The world is small and told in few templates: this says nothing of free prose.")
    return lines


_MOST_TOKENS = 256


@dataclass(frozen=True)
class Costs:
    """Of one model in this process, on this machine at this hour."""

    ms_per_token: float
    """To decode one more token of one text, greedily and with the KV cache: the median within the context."""
    peak_memory_bytes: int
    """Most resident memory of the process so far: training and evaluation, where both took place in it; 0: unknown."""


def measure_costs(language_model: LanguageModel) -> Costs:
    """Decode from BOS until the context is full, and look at the clock after each token."""
    steps = draw_steps(
        language_model.model,
        [language_model.tokenizer.bos_id],
        context=language_model.context,
        max_new_tokens=max(1, min(_MOST_TOKENS, language_model.context - 1)),
        sampling=Sampling(temperature=0),
        rng=np.random.default_rng(0),
    )
    clock = [time.perf_counter(), *(time.perf_counter() for _ in steps)]
    return Costs(1e3 * median(np.diff(clock).tolist()), peak_bytes())
