"""What a run leaves behind: one frozen row of results, and the files of its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ... import machine
from ...checkpoints.names import CHECKPOINTS, CONFIG, ENVIRONMENT, LOG, LOSS, METRICS, RECORD, REPORT, TOKENIZER
from ...checkpoints.ownership import RUN, STUDY, check_folder, is_ours, remove_steps
from ...errors import CheckpointError, ConfigError, unreadable
from ...storage.atomic import make_directory, open_text, read_json, remove_files, write_bytes, write_json, writing
from ...storage.strict_json import finite_or_null
from ...validation import read_dataclass
from ..config import RunConfig
from ..evaluate import Evaluation
from ..inputs import digests_of
from ..prepare import Workshop
from ..resolve import config_from_dict
from .metrics import MetricsFile, metrics_until, read_metrics
from .state import Progress

__all__ = [
    "RunFolder",
    "RunRecord",
    "SavedRun",
    "describe_environment",
    "from_row",
    "read_metrics",
    "read_run",
    "record_of",
    "to_row",
]

_RESULTS = (RECORD, REPORT, LOSS)
"""Of a run that has ended."""
_FILES = (CONFIG, ENVIRONMENT, TOKENIZER, METRICS, LOG, *_RESULTS)
"""Of a run's folder, beside its checkpoints."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run = one CSV row = one JSON line = one row of a table. Losses in nats a token; nan is written as null."""

    tie_lm_head: bool
    input_rmsnorm: bool
    style: str
    parameter_count: int
    steps: int
    seed: int
    final_loss: float
    """Training loss of the last step."""
    mean_loss_last_n: float
    """Mean training loss of the last `last_n` steps."""
    last_n: int
    steps_per_sec: float
    tokens_per_sec: float
    """Both of the steps alone, and of the last session of a run that was resumed."""
    vocab_size: int
    train_tokens: int
    """Tokens in the training split."""
    mode: str
    model_kind: str
    preset: str
    norm: str
    norm_position: str
    optimizer: str
    initial_loss: float
    """Validation loss of the first weights."""
    val_loss: float
    best_val_loss: float
    perplexity: float
    bits_per_byte: float
    val_is_train: bool = False
    """The text was too short to split: the validation loss is a training loss."""
    status: str
    """ok, stopped (early, as asked), interrupted (by a signal), or diverged."""
    reason: str = ""
    """Why it is not ok."""

    def __post_init__(self) -> None:
        if not self.status.isalpha():  # reports put it among their own words
            raise ConfigError(f"status={self.status!r} is no word that a run ends with: restore its record from a copy")


def record_of(
    workshop: Workshop, progress: Progress, *, steps_per_sec: float, tokens_per_sec: float, status: str, reason: str
) -> RunRecord:
    """What came of a run that is where `progress` says; a validation loss is that of its last step, or none."""
    config, recent = workshop.config, progress.recent
    losses = [found.loss for found in progress.evaluations.values()]
    last = progress.evaluations.get(progress.step)
    if last is None or status == "diverged":
        last = Evaluation(math.nan, math.nan, 0)
    return RunRecord(
        tie_lm_head=config.model.tie_lm_head,
        input_rmsnorm=config.model.input_rmsnorm,
        style=config.data.style,
        parameter_count=workshop.model.n_parameters(),
        steps=progress.step,
        seed=config.seed,
        final_loss=recent[-1] if recent else math.nan,
        mean_loss_last_n=sum(recent) / len(recent) if recent else math.nan,
        last_n=len(recent),
        steps_per_sec=steps_per_sec,
        tokens_per_sec=tokens_per_sec,
        vocab_size=config.model.vocab_size,
        train_tokens=workshop.dataset.n_train_tokens,
        mode=config.mode,
        model_kind=config.model_kind,
        preset=config.preset,
        norm=getattr(config.model, "norm", "none"),
        norm_position=getattr(config.model, "norm_position", "none"),
        optimizer=config.training.optimizer,
        initial_loss=losses[0] if losses else math.nan,
        val_loss=last.loss,
        best_val_loss=min((loss for loss in losses if math.isfinite(loss)), default=math.nan),
        perplexity=last.perplexity,
        bits_per_byte=last.bits_per_byte,
        val_is_train=workshop.dataset.val_is_train,
        status=status,
        reason=reason,
    )


def to_row(record: RunRecord) -> dict[str, Any]:
    """The record as plain values; a number that is not finite becomes None, since JSON has no word for it."""
    return dict(finite_or_null(asdict(record)))


def from_row(row: dict[str, Any]) -> RunRecord:
    """The inverse of to_row. Raises ConfigError."""
    types = RunRecord.__annotations__
    values = {k: math.nan if v is None and types.get(k) == "float" else v for k, v in row.items()}
    return read_dataclass(RunRecord, values, "record")


def describe_environment(config: RunConfig) -> dict[str, Any]:
    """Machine, versions, and the digests of what the run reads: what else decides a figure."""
    return machine.describe() | {"inputs": digests_of(config)}


class RunFolder:
    """results/runs/<name>/: where everything of one run is written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoints(self) -> Path:
        """The folder of step-N folders."""
        return self.path / CHECKPOINTS

    def check(self, *, goes_on: bool = False) -> None:
        """Raises GuardError, naming it, for what a run would replace here and did not write, and for a link.

        goes_on: it is the run of this folder, which wrote what is there.
        """
        proven = goes_on or is_ours(self.path / CONFIG, RUN, STUDY)
        check_folder(self.path, _FILES, proven=proven, inside=self.checkpoints.name)

    def start(self, config: RunConfig, tokenizer: dict[str, Any], metrics: bytes = b"") -> None:
        """Write what is known before the first step; results of an earlier run in the folder go.

        `metrics` are the lines of a run that goes on here. Raises GuardError where others' would go, WriteError.
        """
        make_directory(self.path)
        self.clear()
        write_json(self.path / CONFIG, asdict(config))
        write_json(self.path / ENVIRONMENT, describe_environment(config))
        write_json(self.path / TOKENIZER, tokenizer)
        if metrics:
            write_bytes(self.path / METRICS, metrics)

    def clear(self) -> None:
        """Remove what a run wrote here, config.json, which proves that it did, last. Raises GuardError, WriteError."""
        self.check()
        remove_steps(self.checkpoints)
        remove_files(self.path, reversed(_FILES))

    def go_on(self, config: RunConfig, tokenizer: dict[str, Any], step: int) -> None:
        """Make the folder what it was after `step`, checkpoints first: a crash in between leaves a run to go on with.

        Raises WriteError.
        """
        self.check(goes_on=True)
        remove_steps(self.checkpoints, after=step)
        write_bytes(self.path / METRICS, metrics_until(self.path / METRICS, step))
        remove_files(self.path, _RESULTS)
        if not self._holds(config):
            write_json(self.path / CONFIG, asdict(config))
        write_json(self.path / ENVIRONMENT, self._environment(config))
        write_json(self.path / TOKENIZER, tokenizer)

    @contextmanager
    def metrics(self, *, append: bool = False) -> Iterator[MetricsFile]:
        """metrics.jsonl, open for writing: empty, or after the lines that are there. Raises WriteError."""
        path = self.path / METRICS
        with writing(path):
            file = open_text(path, "a" if append else "w")
        try:
            yield MetricsFile(file, path)
        finally:
            with suppress(OSError):  # each line was flushed; what is left is the line that could not be written
                file.close()

    def finish(self, record: RunRecord) -> None:
        """Write record.json. Raises WriteError."""
        write_json(self.path / RECORD, to_row(record))

    def _environment(self, config: RunConfig) -> dict[str, Any]:
        """That of now, and under `earlier` every other one in which steps of the run were computed."""
        now = describe_environment(config)
        with suppress(CheckpointError):
            former = read_json(self.path / ENVIRONMENT)
            if isinstance(former, dict):
                earlier = former.pop("earlier", [])
                others = [*(earlier if isinstance(earlier, list) else []), former]
                others = [known for i, known in enumerate(others) if known != now and known not in others[:i]]
                return now | ({"earlier": others} if others else {})
        return now

    def _holds(self, config: RunConfig) -> bool:
        """config.json says the same already: its time, by which runs are listed, is when the run began."""
        with suppress(CheckpointError):
            return bool(read_json(self.path / CONFIG) == json.loads(json.dumps(asdict(config))))
        return False


@dataclass(frozen=True)
class SavedRun:
    """A run read back from its folder."""

    path: Path
    config: RunConfig
    environment: dict[str, Any]
    metrics: list[dict[str, Any]]
    record: RunRecord | None
    """None while the run goes on, or where it was killed."""

    @property
    def inputs(self) -> dict[str, Any]:
        """Digests of what it read, by setting; none of a run of an earlier version."""
        found = self.environment.get("inputs", {})
        return found if isinstance(found, dict) else {}


def read_run(path: Path) -> SavedRun:
    """Raises CheckpointError where the folder holds no run or a damaged one."""
    try:
        if not (path / CONFIG).is_file():
            raise CheckpointError(
                f"{path} holds no run: expected config.json there; list runs with `nanochat runs list`"
            )
        config = config_from_dict(read_json(path / CONFIG))
        record = from_row(read_json(path / RECORD)) if (path / RECORD).is_file() else None
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} holds settings that this program cannot read: {error}") from error
    except OSError as error:
        raise CheckpointError(unreadable(error, path)) from error
    environment = read_json(path / ENVIRONMENT)
    if not isinstance(environment, dict):
        raise CheckpointError(f"{path / 'env.json'} is damaged (it holds no table): restore it from a copy")
    return SavedRun(path, config, environment, read_metrics(path / METRICS), record)
