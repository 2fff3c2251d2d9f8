"""Runs in a folder: which there are, and what one writes, as it writes it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ...checkpoints.names import CONFIG, METRICS, RECORD, SAMPLES
from ...errors import CheckpointError
from ...experiments.runs import run_folders
from ...storage.atomic import read_json
from ...storage.lines import Tail
from ...storage.reading import is_there
from ...storage.strict_json import STRICT_JSON
from ...training.folder.samples import sample_of
from ..errors import ApiError
from ..shapes import PING_SECONDS, STREAM_HEADERS, Json

MOST_RUNS = 100
_LOOK_SECONDS = 0.5
_MOST_ROWS = 1000
"""In one event."""
_END_BYTES = 4096
"""At the end of metrics.jsonl, where its last line is."""


@dataclass(frozen=True, kw_only=True)
class RunsView:
    """/api/runs and the events of one."""

    root: Path
    served: Path | None
    """The run whose model is served."""
    is_open: Callable[[], bool]
    """Whether the server goes on."""

    async def runs(self, _: Request) -> Response:
        """GET /api/runs"""
        return JSONResponse({"runs": await asyncio.to_thread(self._rows)})

    async def events(self, request: Request) -> Response:
        """GET /api/runs/{name}/events"""
        name = request.path_params["name"]
        for folder in await asyncio.to_thread(self._folders):
            if folder.name == name:
                return StreamingResponse(self._follow(folder), media_type="text/event-stream", headers=STREAM_HEADERS)
        raise ApiError(404, f"there is no run {name[:100]!r} here", code="run_not_found", param="name")

    def _folders(self) -> list[Path]:
        """Those whose name JSON can tell. Raises ApiError."""
        try:
            return [folder for folder in run_folders(self.root) if folder.name.isprintable()]
        except CheckpointError as error:
            raise ApiError(500, str(error), code="run_damaged") from None

    def _rows(self) -> list[Json]:
        return [self._row(folder) for folder in self._folders()[:MOST_RUNS]]

    def _row(self, folder: Path) -> Json:
        row: Json = {"name": folder.name, "status": "damaged", "step": None, "steps": None, "age_s": None}
        row["served"] = self.served is not None and _is_same(folder, self.served)
        with suppress(CheckpointError, OSError, KeyError, TypeError):
            row["steps"] = read_json(folder / CONFIG)["training"]["steps"]
            row["step"], row["age_s"] = _last(folder / METRICS)
            row["status"] = _ending(folder) or "unfinished"
        return row

    async def _follow(self, folder: Path) -> AsyncIterator[bytes]:
        """What was written, what is added, and how it ended."""
        metrics, samples, silent_s = Tail(folder / METRICS), Tail(folder / SAMPLES), 0.0
        try:
            yield _event("run", await asyncio.to_thread(self._row, folder))
            while self.is_open():
                ending = await asyncio.to_thread(_ending, folder)  # before the lines, of which none comes after it
                if metrics.is_stale or samples.is_stale:
                    metrics.close()
                    samples.close()
                    yield _event("restart", {})
                found = [*await _rows("metrics", metrics, _metric), *await _rows("samples", samples, sample_of)]
                for event in found:
                    yield event
                if found:
                    silent_s = 0
                    continue
                if ending:
                    yield _event("ended", {"status": ending})
                    return
                await asyncio.sleep(_LOOK_SECONDS)
                silent_s += _LOOK_SECONDS
                if silent_s >= PING_SECONDS:
                    silent_s = 0
                    yield b": still here\n\n"
        except CheckpointError as error:
            yield _event("error", ApiError(500, str(error), code="run_damaged").body())
        finally:
            metrics.close()
            samples.close()


async def _rows(name: str, tail: Tail, read: Callable[[bytes], Json | None]) -> list[bytes]:
    """The events that tell what is new; lines that say nothing are passed over. Raises CheckpointError."""

    def look() -> list[bytes]:
        rows = [row for line in tail.read() if (row := read(line)) is not None]
        return [_event(name, rows[i : i + _MOST_ROWS]) for i in range(0, len(rows), _MOST_ROWS)]

    return await asyncio.to_thread(look)


def _event(name: str, content: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(content, allow_nan=False)}\n\n".encode()


def _metric(line: bytes) -> Json | None:
    try:
        row = STRICT_JSON.decode(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and type(row.get("step")) is int else None


def _ending(folder: Path) -> str:
    """How the run ended; "" where it has not."""
    if not is_there(folder / RECORD):
        return ""
    with suppress(CheckpointError):
        record = read_json(folder / RECORD)
        if isinstance(record, dict) and isinstance(record.get("status"), str):
            return str(record["status"])
    return "damaged"


def _last(path: Path) -> tuple[int, float | None]:
    """The last step that was written, and how many seconds ago. Raises CheckpointError, OSError."""
    if not is_there(path):
        return 0, None
    age_s = max(0.0, round(time.time() - path.stat().st_mtime, 1))
    lines = Tail(path, from_end=_END_BYTES)
    try:
        rows = [row for line in lines.read() if (row := _metric(line))]
    finally:
        lines.close()
    return (rows[-1]["step"] if rows else 0), age_s


def _is_same(folder: Path, other: Path) -> bool:
    with suppress(OSError):
        return folder.samefile(other)
    return False
