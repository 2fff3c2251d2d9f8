"""metrics.jsonl: a line a step and a line a validation, appended while a run goes on, cut back when it is resumed."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ...errors import CheckpointError, NanochatWarning, unreadable
from ...storage.atomic import open_text, sync_file, writing
from ...storage.reading import read_bytes
from ...storage.strict_json import finite_or_null, held_by_a_float


class MetricsFile:
    """One JSON object a line, each line whole once it is written."""

    def __init__(self, file: IO[str], path: Path) -> None:
        self.file, self.path = file, path

    def write(self, **fields: Any) -> None:
        """Append one line. Raises WriteError."""
        with writing(self.path):
            self.file.write(json.dumps(finite_or_null(fields), allow_nan=False) + "\n")
            self.file.flush()

    def sync(self) -> None:
        """All lines to the disk itself: before a checkpoint, which must not outlive the line of its step.

        Raises WriteError.
        """
        with writing(self.path):
            sync_file(self.file)


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
    lines = _content(path).decode("utf-8", errors="replace").split("\n")
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
    content = _content(path)
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


def _content(path: Path) -> bytes:
    """Nothing where there is no file. Raises CheckpointError."""
    try:
        return read_bytes(path) if path.is_file() else b""
    except OSError as error:
        raise CheckpointError(unreadable(error, path)) from error


def _metric(line: str) -> dict[str, Any]:
    """One line of metrics.jsonl. Raises ValueError."""
    row = json.loads(line)
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        raise ValueError("it is no JSON object with a step")
    if not all(value is None or type(value) in (int, float) for value in row.values()):
        raise ValueError("a value is neither a number nor null")
    try:
        return {name: held_by_a_float(value) for name, value in row.items() if value is not None}
    except OverflowError as error:
        raise ValueError("a value is larger than any that is measured") from error
