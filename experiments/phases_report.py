"""The report of training in phases: each phase, what the model said before and after it, how well it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..checkpoints.files import read_json, write_json, write_text
from ..data.world import build_world
from ..inference.counts import counts_language_model
from ..inference.language_model import load
from ..training.record import SavedRun, read_run
from .evaluation import Report, evaluate_model, read_with
from .evaluation_report import caveats, share_text, to_dict, to_markdown
from .phases import PhasedRecipe, folder_of, untrained
from .quiz import GROUPS, TOLD, UNDERSTOOD, Answered, ask, by_group
from .report import bullets, count, document, environment, fenced, table
from .summary import spell

SIZES = {"world-small": "small", "world": "medium", "world-large": "large"}
"""Names of worlds on the command line and in recipes."""


def write_phases_report(out: Path, recipe: PhasedRecipe, command: str) -> Report:
    """Evaluate the last phase's model; write evaluation.json and report.md. Raises WriteError."""
    folders = [folder_of(out, recipe, number) for number in range(1, len(recipe.phases) + 1)]
    runs = [read_run(folder) for folder in folders]
    model, last = load(folders[-1]), runs[-1].config
    questions = () if recipe.questions == "none" else build_world(SIZES[recipe.questions]).questions  # type: ignore[arg-type]
    max_replies = 0 if questions else 500  # questions say more, and "Tell me something." has many right answers
    report = evaluate_model(model, last.data, questions=questions, max_replies=max_replies)
    baselines: dict[str, Sequence[Answered]] = {}
    if questions:
        counts = counts_language_model(read_with(model, last.data), boost_futuristic=False)
        baselines = {"untrained": ask(untrained(last, model), questions), "bigram counts": ask(counts, questions)}
    write_json(out / "evaluation.json", to_dict(report, baselines))
    samples = read_json(out / "samples.json") if recipe.prompts else {}
    write_text(out / "report.md", phases_report(recipe, runs, report, baselines, samples, command))
    return report


def phases_report(
    recipe: PhasedRecipe,
    runs: Sequence[SavedRun],
    report: Report,
    baselines: Mapping[str, Sequence[Answered]],
    samples: Mapping[str, Sequence[str]],
    command: str,
) -> str:
    """Markdown, the outcome first."""
    parts = [
        f"# {recipe.title or recipe.name}",
        _outcome(report),
        "## Phases",
        table(_PHASE_COLUMNS, [_row(phase.about, run) for phase, run in zip(recipe.phases, runs, strict=True)], {3, 4}),
        *[
            f"![Phase {run.path.name}: training and validation loss over the steps.]({run.path.name}/loss.png)"
            for run in runs
        ],
        *_samples(recipe, samples),
        *to_markdown(report, baselines),
        "## Reproduce",
        fenced(command, "sh"),
        environment(runs[-1].environment),
        "## Caveats",
        bullets(_caveats(report, recipe)),
    ]
    return document(parts)


_PHASE_COLUMNS = ("phase", "text", "what for", "steps", "seconds", "training loss", "validation loss")


def _row(about: str, run: SavedRun) -> tuple[str, ...]:
    record, settings = run.record, run.config.training
    assert record is not None, "a phase that is reported has ended"
    return (
        f"[{run.path.name}]({run.path.name}/report.md)",
        f"`{run.config.data.source}`",
        about,
        count(record.steps) + (f" ({settings.epochs:g} epochs)" if settings.epochs else ""),
        count(record.steps / record.steps_per_sec),
        spell(record.mean_loss_last_n),
        spell(record.val_loss),
    )


def _outcome(report: Report) -> str:
    """The share that matters most, in words: taught facts asked for in words that were never taught."""
    groups = by_group(report.answered)
    understood, known = groups.get(UNDERSTOOD), groups.get(TOLD)
    if understood is None:
        return f"**Validation loss {spell(report.text.loss)} nats per token** on `{report.source}`."
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
        (prompt, *(" ".join(samples[name][i].split()) or "(nothing)" for name in names))
        for i, prompt in enumerate(recipe.prompts)
    ]
    header = ("asked", *("before" if name == "untrained" else f"after {name}" for name in names))
    return ["## Before and after", table(header, rows)]


def _caveats(report: Report, recipe: PhasedRecipe) -> list[str]:
    lines = ["One run with one seed: another seed gives other figures.", *recipe.caveats, *caveats(report)]
    if report.answered:
        lines.append("The world is small and told in few templates: this says nothing of free prose.")
    return lines
