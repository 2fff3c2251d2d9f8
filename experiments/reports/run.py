"""The report of a run in Markdown, from the files in its folder alone, and what that of a study has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...plain import code_span, markdown, shown_path
from ...storage.atomic import write_text
from ...training.config import RunConfig
from ...training.folder.record import SavedRun, read_run
from ..ablation.grid import flatten
from ..runs import last_known
from .figures import loss_curve, run_headline, save_figure
from .markdown import bullets, document, fenced, setting, table
from .numbers import count, digits, span
from .reproduce import command_line


def write_run_report(folder: Path, *, samples: Sequence[str] = ()) -> Path:
    """Write report.md and loss.png beside the run's files; `samples` are texts that the caller drew from the model.

    Raises CheckpointError, WriteError.
    """
    run = read_run(folder)
    save_figure(loss_curve(run), folder / "loss.png")
    write_text(folder / "report.md", run_report(run, samples))
    return folder / "report.md"


def run_report(run: SavedRun, samples: Sequence[str] = ()) -> str:
    """What was trained, what came of it, and how to do it again."""
    row = last_known(run)
    parts = [
        f"# Run {code_span(shown_path(run.path.name))}",
        f"**{run_headline(run)}.** {_what_was_trained(run.config, row)}",
        _ending(row),
        "## Result",
        table(("", "value"), _run_figures(row), right={1}),
        f"![{run_headline(run)}. Training and validation loss in nats per token over the steps.](loss.png)",
        *(["## Samples", *(fenced(sample) for sample in samples)] if samples else []),
        "## Reproduce",
        fenced(command_line(run.config), "sh"),
        "Every number: [metrics.jsonl](metrics.jsonl). Checkpoints are in `checkpoints/`.",
        configuration(run.config),
        environment(run.environment, [run.environment]),
        "## Caveats",
        bullets(_run_caveats(run.config, row)),
    ]
    return document(parts)


def _run_caveats(config: RunConfig, row: Mapping[str, Any]) -> list[str]:
    caveats = ["One run with one seed: another seed gives another loss; `nanochat ablate` shows by how much."]
    rates = row.get("tokens_per_sec"), row.get("steps_per_sec")
    if row.get("train_tokens") and (all(rates) or not row["steps"]):
        seen = row["steps"] * rates[0] / rates[1] if row["steps"] else 0
        caveats.append(text_seen([row["steps"]], [seen], row["train_tokens"]))
    if config.data.layout != "stream" and row.get("bits_per_byte") is not None:
        caveats.append(
            "Nats per token and bits per byte can move apart: the end of a document is a token without a byte."
        )
    return caveats + data_caveats(config, row)


def data_caveats(config: RunConfig, row: Mapping[str, Any]) -> list[str]:
    """How much text the validation loss is of."""
    caveats = []
    if row.get("val_is_train"):
        caveats.append("The text is too short to keep a part of it unseen: the validation loss is of text trained on.")
    if config.training.eval_tokens:
        caveats.append(
            f"The validation loss is of at most {config.training.eval_tokens:,} tokens, evenly spread over the "
            "validation text, the same in every run."
        )
    return caveats


def text_seen(steps: Sequence[int], tokens: Sequence[float], train_tokens: int) -> str:
    """`6 to 40 steps saw 39 to 278 tokens, 0.0014 to 0.01 passes over ...`, of one run or several."""
    passes = [f"{n / train_tokens:.2g}" for n in (min(tokens), max(tokens))]
    return (
        f"{span([f'{n:,}' for n in (min(steps), max(steps))])} steps saw "
        f"{span([count(n) for n in (min(tokens), max(tokens))])} tokens, {span(passes)} passes over the "
        f"{train_tokens:,} of the training text."
    )


def _what_was_trained(config: RunConfig, row: Mapping[str, Any]) -> str:
    size = f" with {row['parameter_count']:,} parameters" if row.get("parameter_count") else ""
    text = (
        f"A {config.model_kind} model{size} in {config.mode} mode, preset {code_span(config.preset)}, "
        f"on {code_span(config.data.source)}"
    )
    if row.get("train_tokens"):
        text += f" ({row['train_tokens']:,} training tokens, a vocabulary of {row['vocab_size']})"
    return f"{text}, seed {config.seed}."


def _ending(row: Mapping[str, Any]) -> str:
    if row["status"] == "ok":
        return ""
    if row["status"] == "unfinished":
        return f"**Not finished:** the run has no record; its metrics end at step {row['steps']:,}."
    return f"**{row['status'].capitalize()}:** {markdown(row['reason'])}."


def _run_figures(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The rows of a run's table, those that are known."""
    losses = {
        "validation loss (nats per token)": "val_loss",
        "... of the first weights": "initial_loss",
        "... at its lowest": "best_val_loss",
        "perplexity": "perplexity",
        "bits per byte": "bits_per_byte",
        f"training loss, mean of the last {row.get('last_n', 0)} steps": "mean_loss_last_n",
        "training loss, last step alone": "final_loss",
    }
    figures = [(label, digits(row[name])) for label, name in losses.items() if row.get(name) is not None]
    counts = {"steps": "steps", "steps per second": "steps_per_sec", "tokens per second": "tokens_per_sec"}
    return figures + [(label, count(row[name])) for label, name in counts.items() if row.get(name) is not None]


def configuration(config: RunConfig, varied: Sequence[str] = ()) -> str:
    """All settings, folded; `varied` are left out."""
    settings = [(code_span(name), setting(v)) for name, v in flatten(asdict(config)).items() if name not in varied]
    note = " (axes and seeds aside)" if varied else ""
    parts = ["## Configuration", "Complete in [config.json](config.json)."]
    parts += [f"<details>\n<summary>All settings{note}</summary>", table(("setting", "value"), settings, right={1})]
    return "\n\n".join([*parts, "</details>"])


def environment(versions: Mapping[str, Any], all_of_them: Sequence[Mapping[str, Any]] = ()) -> str:
    """Versions and machine, and where several took part, in what they differ."""
    known = {name: value for name, value in flatten(_machine(versions)).items() if value is not None}
    rows = [(markdown(name.removeprefix("packages.")), setting(value)) for name, value in known.items()]
    differing = _differences([flatten(_machine(each)) for each in (*all_of_them, *versions.get("earlier", ()))])
    parts = ["## Environment", table(("", "version or value"), rows)]
    if differing:
        parts.append("**Computed in several environments**, whose last bits and times may differ: " + differing + ".")
    return "\n\n".join(parts)


def _machine(versions: Mapping[str, Any]) -> dict[str, Any]:
    """Without what was read there, which is none of the machine."""
    return {name: value for name, value in versions.items() if name not in ("earlier", "inputs", "text_sha256")}


def _differences(environments: Sequence[Mapping[str, Any]]) -> str:
    """`blas` (openblas 0.3.31 Zen; openblas 0.3.31 SkylakeX), ..."""
    names = dict.fromkeys(name for each in environments for name in each)
    values = {name: list(dict.fromkeys(setting(each.get(name)) for each in environments)) for name in names}
    words = [
        f"{code_span(name.removeprefix('packages.'))} ({'; '.join(many)})"
        for name, many in values.items()
        if len(many) > 1
    ]
    return ", ".join(words)
