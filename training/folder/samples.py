"""samples.jsonl: a line for each text drawn while a run goes on, cut back when it is resumed.

{"step": 500, "text": "..."}        There is no file where nothing is drawn, as by default (sample_every).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...storage.atomic import open_text, sync_file, writing
from ...storage.reading import is_there, read_bytes
from ...storage.strict_json import STRICT_JSON


def add_sample(path: Path, step: int, text: str) -> None:
    """Append one line, to the disk itself: a checkpoint must not outlive it. Raises WriteError."""
    with writing(path), open_text(path, "a") as file:
        file.write(json.dumps({"step": step, "text": text}) + "\n")
        sync_file(file)


def sample_of(line: bytes) -> dict[str, Any] | None:
    """What a line says; None for one that is damaged or was cut short by a crash: it costs a text, no run."""
    try:
        row = STRICT_JSON.decode(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    is_sample = isinstance(row, dict) and type(row.get("step")) is int and isinstance(row.get("text"), str)
    return {"step": row["step"], "text": row["text"]} if is_sample else None


def samples_until(path: Path, step: int) -> bytes:
    """The lines before `step`, whose own text is drawn again by whoever goes on there. Raises CheckpointError."""
    return b"".join(line + b"\n" for line in _lines(path) if (row := sample_of(line)) and row["step"] < step)


def _lines(path: Path) -> Iterator[bytes]:
    yield from (read_bytes(path) if is_there(path) else b"").split(b"\n")
