"""What a run leaves behind: one frozen row of results, and the files of its folder."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..checkpoints.files import make_directory, read_json, write_json, writing
from ..errors import CheckpointError
from ..validation import read_dataclass
from .config import RunConfig
from .resolve import config_from_dict


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
    status: str
    """ok, interrupted, or diverged."""
    reason: str = ""
    """Why it is not ok."""


def to_row(record: RunRecord) -> dict[str, Any]:
    """The record as plain values; a number that is not finite becomes None, since JSON has no word for it."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in asdict(record).items()
    }


def from_row(row: dict[str, Any]) -> RunRecord:
    """The inverse of to_row. Raises ConfigError."""
    types = RunRecord.__annotations__
    values = {k: math.nan if v is None and types.get(k) == "float" else v for k, v in row.items()}
    return read_dataclass(RunRecord, values, "record")


def describe_environment() -> dict[str, Any]:
    """Versions and machine: what else decides a figure."""
    packages = ("numpy", "nanochat")
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in packages},
        "blas": np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"],
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
        """Write what is known before the first step. Raises WriteError."""
        make_directory(self.path)
        write_json(self.path / "config.json", asdict(config))
        write_json(self.path / "env.json", describe_environment())
        write_json(self.path / "tokenizer.json", tokenizer)

    @contextmanager
    def metrics(self) -> Iterator[MetricsFile]:
        """metrics.jsonl, open for writing. Raises WriteError."""
        path = self.path / "metrics.jsonl"
        with writing(path), path.open("w", encoding="utf-8", newline="\n") as file:
            yield MetricsFile(file, path)

    def finish(self, record: RunRecord) -> None:
        """Write record.json. Raises WriteError."""
        write_json(self.path / "record.json", to_row(record))


class MetricsFile:
    """One JSON object a line, each line whole once it is written."""

    def __init__(self, file: IO[str], path: Path) -> None:
        self.file, self.path = file, path

    def write(self, **fields: Any) -> None:
        """Append one line. Raises WriteError."""
        with writing(self.path):
            self.file.write(json.dumps(fields) + "\n")
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
            metrics.append(json.loads(line))
        except ValueError as error:
            raise CheckpointError(f"{path}, line {number} is damaged ({error}): restore it from a copy") from error
    return metrics


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
