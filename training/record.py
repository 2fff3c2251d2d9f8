"""What a run leaves behind: one frozen row of results, and the files of its folder."""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import numpy as np

from .. import __version__
from ..checkpoints.files import make_directory, read_json, write_json, writing
from ..errors import CheckpointError
from ..validation import read_dataclass
from .config import RunConfig
from .resolve import config_from_dict

_FILES = (
    "config.json",
    "env.json",
    "tokenizer.json",
    "metrics.jsonl",
    "log.txt",
    "record.json",
    "report.md",
    "loss.png",
)
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
    """ok, interrupted, or diverged."""
    reason: str = ""
    """Why it is not ok."""


def to_row(record: RunRecord) -> dict[str, Any]:
    """The record as plain values; a number that is not finite becomes None, since JSON has no word for it."""
    return _finite(asdict(record))


def from_row(row: dict[str, Any]) -> RunRecord:
    """The inverse of to_row. Raises ConfigError."""
    types = RunRecord.__annotations__
    values = {k: math.nan if v is None and types.get(k) == "float" else v for k, v in row.items()}
    return read_dataclass(RunRecord, values, "record")


def describe_environment() -> dict[str, Any]:
    """Versions and machine: what else decides a figure."""
    packages = ("numpy",)
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.system(),  # not platform.platform(): a kernel's build name is nobody's business
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "packages": {name: version(name) for name in packages} | {"nanochat": __version__},
        "blas": _blas(),
    }


class RunFolder:
    """results/runs/<name>/: where everything of one run is written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoints(self) -> Path:
        """The folder of step-N folders."""
        return self.path / "checkpoints"

    def start(self, config: RunConfig, tokenizer: dict[str, Any]) -> None:
        """Write what is known before the first step; results of an earlier run in the folder go. Raises WriteError."""
        make_directory(self.path)
        self._clear()
        write_json(self.path / "config.json", asdict(config))
        write_json(self.path / "env.json", describe_environment())
        write_json(self.path / "tokenizer.json", tokenizer)

    @contextmanager
    def metrics(self) -> Iterator[MetricsFile]:
        """metrics.jsonl, open for writing. Raises WriteError."""
        path = self.path / "metrics.jsonl"
        with writing(path):
            file = path.open("w", encoding="utf-8", newline="\n")
        try:
            yield MetricsFile(file, path)
        finally:
            with suppress(OSError):  # each line was flushed; what is left is the line that could not be written
                file.close()

    def finish(self, record: RunRecord) -> None:
        """Write record.json. Raises WriteError."""
        write_json(self.path / "record.json", to_row(record))

    def _clear(self) -> None:
        """Only what a run writes: the folder may be somebody's, and hold more than we know."""
        with writing(self.path):
            for name in _FILES:
                (self.path / name).unlink(missing_ok=True)
            if self.checkpoints.is_dir():
                shutil.rmtree(self.checkpoints)


class MetricsFile:
    """One JSON object a line, each line whole once it is written."""

    def __init__(self, file: IO[str], path: Path) -> None:
        self.file, self.path = file, path

    def write(self, **fields: Any) -> None:
        """Append one line. Raises WriteError."""
        with writing(self.path):
            self.file.write(json.dumps(_finite(fields), allow_nan=False) + "\n")
            self.file.flush()


@dataclass(frozen=True)
class SavedRun:
    """A run read back from its folder."""

    path: Path
    config: RunConfig
    environment: dict[str, Any]
    metrics: list[dict[str, Any]]
    record: RunRecord | None
    """None while the run goes on, or where it was killed."""


def read_run(path: Path) -> SavedRun:
    """Raises CheckpointError where the folder holds no run or a damaged one."""
    if not (path / "config.json").is_file():
        raise CheckpointError(f"{path} holds no run: expected config.json there; list runs with `nanochat runs list`")
    try:
        config = config_from_dict(read_json(path / "config.json"))
        record = from_row(read_json(path / "record.json")) if (path / "record.json").is_file() else None
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} holds settings that this program cannot read: {error}") from error
    return SavedRun(path, config, read_json(path / "env.json"), read_metrics(path / "metrics.jsonl"), record)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Every whole line; a last line cut short by a crash is left out. Raises CheckpointError on any other damage."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    metrics = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            metrics.append(_metric(line))
        except ValueError as error:
            raise CheckpointError(f"{path}, line {number} is damaged ({error}): restore it from a copy") from error
    return metrics


def _metric(line: str) -> dict[str, Any]:
    """One line of metrics.jsonl. Raises ValueError."""
    row = json.loads(line)
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        raise ValueError("it is no JSON object with a step")
    if not all(value is None or type(value) in (int, float) for value in row.values()):
        raise ValueError("a value is neither a number nor null")
    return {name: value for name, value in row.items() if value is not None}


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}


def _blas() -> str:
    """The library that multiplies matrices, as far as this build of NumPy knows."""
    dependencies = np.show_config(mode="dicts").get("Build Dependencies", {})
    return str(dependencies.get("blas", {}).get("name", "unknown"))
