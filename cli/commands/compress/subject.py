"""What the commands of compression share: the model and its text, the folder, training, and how an outcome is told."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ....errors import ConfigError, DivergedError, UsageError
from ....plain import shown_path
from ...console import StopSignals, print_json, print_result, print_table, say

if TYPE_CHECKING:
    from ....checkpoints.weights import Snapshot
    from ....compression.tuning import Tuned
    from ....data.config import DataConfig
    from ....data.dataset import Dataset
    from ....experiments.compression.outcome import Candidate
    from ....experiments.compression.record import Compression, Kind
    from ....experiments.evaluation.quiz import Questions
    from ....training.config import RunConfig

COMPRESSED = Path("results/compressed")
"""Where results go without --out."""
SourceFlag = Annotated[str, typer.Option("--run", help="The model: a run, a checkpoint, a model file, or latest.")]
TextFlag = Annotated[
    str, typer.Option("--data", help="Its text, where that lies elsewhere or nobody knows it.", metavar="PATH")
]
QuestionsFlag = Annotated[
    Literal["none", "world-small", "world", "world-large"],
    typer.Option("--questions", help="Count right answers about the built-in world, too."),
]


@dataclass(frozen=True)
class Subject:
    """A model that is to be made smaller."""

    path: Path
    snapshot: Snapshot
    config: RunConfig | None
    """Of its run, with the text that is used; None for a model that lies alone."""
    dataset: Dataset

    def run_config(self, what: str) -> RunConfig:
        """To train with. Raises ConfigError where there is none, and for one in single numbers."""
        if self.config is None:
            raise ConfigError(f"{self.path} is a model without the config.json of a run, which {what} needs: name one")
        if self.config.mode != "tensor":
            raise ConfigError(
                f"{self.path} was trained in single numbers, and {what} is for arrays: train it with --mode tensor"
            )
        return self.config


def find_subject(run: str, data: str) -> Subject:
    """Raises ConfigError where there is none, nobody knows its text, or it is quantised already."""
    from ....checkpoints.find import read_model
    from ....data.dataset import build_dataset
    from ....tokenizers.files import tokenizer_from_dict
    from ...folders import find_folder, run_of

    path = find_folder(run)
    snapshot = read_model(path)[1]
    if snapshot.storage:
        raise ConfigError(
            f"{path} is quantised already, and rounding what was rounded adds one error to another: give the model "
            "that it was made of"
        )
    config, text = _text_of(run_of(path), data)
    dataset = build_dataset(text, tokenizer_from_dict(dict(snapshot.tokenizer)))
    return Subject(path, snapshot, config, dataset)


def _text_of(home: Path, data: str) -> tuple[RunConfig | None, DataConfig]:
    from ....checkpoints.names import MANIFEST
    from ....data.config import DataConfig
    from ....training.folder.record import read_run
    from ...sampling import own_data

    if (home / "config.json").is_file() and not (home / MANIFEST).is_file():
        saved = read_run(home)
        text = replace(saved.config.data, source=data) if data else own_data(saved, "measured")
        return replace(saved.config, data=text), text
    if not data:
        raise ConfigError(
            f"{home} is a model without the config.json of a run, so nobody knows its text: name it with --data"
        )
    return None, DataConfig(source=data)


@contextmanager
def claimed_folder(out: Path | None, subject: Subject, name: str, *, force: bool) -> Iterator[Path]:
    """The folder of the results, locked and empty of earlier ones. Raises GuardError."""
    from ....errors import GuardError
    from ....experiments.compression.folder import clear_folder
    from ....experiments.compression.record import write_begun
    from ...folders import claimed, holds_results, run_of

    with claimed(out, COMPRESSED, f"{run_of(subject.path).name}-{name}", "run") as folder:
        if folder.resolve() == run_of(subject.path).resolve():
            raise GuardError(f"{folder} holds the model itself: choose another --out")
        if holds_results(folder) and not force:
            raise GuardError(f"{folder} holds results already: choose another --out, or pass --force to replace them")
        clear_folder(folder)
        write_begun(folder)
        yield folder


def trained(config: RunConfig, say_what: str, **options: Any) -> Tuned:
    """`tune`, shown as `nanochat train` shows it. Raises DivergedError, and SystemExit where it was interrupted."""
    from ....compression.tuning import tune
    from ...display.run import TrainingDisplay

    say(say_what)
    with StopSignals().watched() as stop, TrainingDisplay(config.training.steps) as display:
        tuned = tune(config, observe=display, should_stop=stop, **options)
    if tuned.record.status == "diverged":
        raise DivergedError(f"{say_what}: {tuned.record.reason}")
    if tuned.model is None:
        say("interrupted: nothing was compared; give the command again")
        raise SystemExit(stop.exit_code)
    return tuned


def conclude(
    folder: Path,
    subject: Subject,
    candidates: Mapping[str, Candidate],
    *,
    kind: Kind,
    method: str,
    command: list[str],
    questions: Questions = "none",
    notes: tuple[str, ...] = (),
    json: bool,
) -> None:
    """Measure, write compression.json and report.md, and print the table."""
    from ....experiments.compression.outcome import compare
    from ....experiments.compression.record import write_compression
    from ....experiments.compression.report import headline, row_table, write_compression_report

    found = compare(
        subject.snapshot, subject.path, candidates, subject.dataset,
        kind=kind, method=method, command=shlex.join(["nanochat", "compress", *command]), questions=questions,
        notes=notes,
    )  # fmt: skip
    write_compression(found, folder)
    report = write_compression_report(folder)
    if json:
        print_json(_document(found, folder))
    else:
        print_table(row_table(found), right=("parameters", "bytes", "loss", "against source", "kl", "steps", "cpu s"))
    say(headline(found))
    say(f"written to {folder}: read {report}, or draw with `nanochat sample --run {shown_path(folder)}`")


def _document(found: Compression, folder: Path) -> dict[str, Any]:
    from dataclasses import asdict

    from ....storage.strict_json import finite_or_null

    return dict(finite_or_null({**asdict(found), "out": shown_path(folder)}))


def layer_numbers(flag: str, text: str) -> tuple[int, ...]:
    """`0,3` as numbers. Raises UsageError."""
    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(part.isdecimal() and len(part) < 6 for part in parts):
        raise UsageError(f"{flag} {text!r} is no list of layers: give e.g. {flag} 0,3")
    return tuple(map(int, parts))


def print_sizes(before: Snapshot, after: Snapshot) -> None:
    """What --dry-run shows: each weight, and what it would take."""
    from ....experiments.compression.outcome import sizes

    rows = sizes(before, after)
    print_table(rows, right=("shape", "before", "after"))
    total, now = (sum(int(row[key].replace(",", "")) for row in rows) for key in ("before", "after"))
    print_result(f"bytes={now:,} of {total:,} share={now / total:.4f}")
