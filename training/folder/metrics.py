"""metrics.jsonl: a line a step and a line a validation, appended while a run goes on, cut back when it is resumed."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ...errors import CheckpointError, NanochatWarning, unreadable
from ...storage.atomic import open_text, writing


class MetricsFile:
    """One JSON object a line, each line whole once it is written."""

    def __init__(self, file: IO[str], path: Path) -> None:
        self.file, self.path = file, path

    def write(self, **fields: Any) -> None:
        """Append one line. Raises WriteError."""
        with writing(self.path):
            self.file.write(json.dumps(finite(fields), allow_nan=False) + "\n")
            self.file.flush()

    def sync(self) -> None:
        """All lines to the disk itself: before a checkpoint, which must not outlive the line of its step.

        Raises WriteError.
        """
        with writing(self.path):
            os.fsync(self.file.fileno())


@contextmanager
def open_metrics(path: Path, *, append: bool = False) -> Iterator[MetricsFile]:
    """The file, open for writing: empty, or after the lines that are there. Raises WriteError."""
    with writing(path):
        file = open_text(path, "a" if append else "w")
    try:
        yield MetricsFile(file, path)
    finally:
        with suppress(OSError):  # each line was flushed; what is left is the line that could not be written
            file.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Every whole line; a last line cut short by a crash is left out. Raises CheckpointError on any other damage."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else [""]
    except OSError as error:
        raise CheckpointError(unreadable(error, path)) from error
    metrics = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            metrics.append(_metric(line))
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{path}, line {number} is damaged ({error}): restore it from a copy") from error
    return metrics


def metrics_until(path: Path, step: int) -> bytes:
    """The lines of metrics.jsonl up to that of `step`, without the validation of `step`, which follows it.

    A run that goes on at `step` writes what comes after. Lines that are damaged or missing, which no crash of ours
    leaves behind, are named in a warning: they cost a gap in a curve, not the run. Raises CheckpointError.
    """
    kept, steps, damaged = [], set(), []
    try:
        content = path.read_bytes() if path.is_file() else b""
    except OSError as error:
        raise CheckpointError(unreadable(error, path)) from error
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            row = _metric(line.decode("utf-8"))
        except (ValueError, RecursionError):
            if number <= content.count(b"\n"):  # what follows the last line end was cut short
                damaged.append(str(number))
            continue
        if row["step"] < step or (row["step"] == step and "lr" in row):
            kept.append(line + b"\n")
            steps |= {row["step"]} if "lr" in row else set()
    missing = step - len(steps)
    if damaged or missing:
        reasons = [f"line {', '.join(damaged)} is damaged"] * bool(damaged) + [f"{missing} steps are missing"] * bool(
            missing
        )
        warnings.warn(
            f"{path}: {' and '.join(reasons)} before step {step}: the loss curve has a gap",
            NanochatWarning,
            stacklevel=2,
        )
    return b"".join(kept)


def finite(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no word for a number that is not finite: null."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}


def _metric(line: str) -> dict[str, Any]:
    """One line of metrics.jsonl. Raises ValueError."""
    row = json.loads(line)
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        raise ValueError("it is no JSON object with a step")
    if not all(value is None or type(value) in (int, float) for value in row.values()):
        raise ValueError("a value is neither a number nor null")
    return {name: value for name, value in row.items() if value is not None}
