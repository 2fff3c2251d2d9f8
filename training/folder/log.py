"""Structured lines about a run, and how long its parts take: `level key=value ...`, from the standard library.

`NANOCHAT_LOG` (debug, info, warning, error; info by default) says how much goes into a run's log.txt.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from ...errors import ConfigError, WriteError
from ...plain import terminal
from ...storage.atomic import open_text, writing

LOGGER = logging.getLogger("nanochat")
LOGGER.addHandler(logging.NullHandler())
LOGGER.propagate = False
_LEVELS = ("debug", "info", "warning", "error")


class RunLog:
    """A context in which the logger writes to `path`, anew or after what is there, or nowhere.

    Raises ConfigError on an unknown level.
    """

    def __init__(self, path: Path | None, *, append: bool = False) -> None:
        level = os.environ.get("NANOCHAT_LOG", "info").lower()
        if level not in _LEVELS:
            raise ConfigError(f"NANOCHAT_LOG={level!r} is not a level: choose one of {', '.join(_LEVELS)}")
        self.level = level.upper()
        self.path, self.append = path, append

    def __enter__(self) -> Self:
        self.previous = LOGGER.level
        self.handler: logging.Handler = _LogFile(self.path, append=self.append) if self.path else logging.NullHandler()
        self.handler.setFormatter(_OneLine("%(asctime)s level=%(levelname)s %(message)s"))
        LOGGER.addHandler(self.handler)
        LOGGER.setLevel(self.level)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is not None:
                with suppress(WriteError, MemoryError):  # what ended the run is told, not what became of its log
                    LOGGER.error("event=stopped reason=%r", str(error) or type(error).__name__)
        finally:
            LOGGER.removeHandler(self.handler)
            LOGGER.setLevel(self.previous)
            with suppress(OSError):  # each line was flushed; what is left is the line that could not be written
                self.handler.close()


class _OneLine(logging.Formatter):
    """A line a record, whatever a name or a message has put into it."""

    def format(self, record: logging.LogRecord) -> str:
        return terminal(super().format(record), keep="")


class _LogFile(logging.FileHandler):
    """Raises WriteError where logging would print a traceback and go on."""

    def __init__(self, path: Path, *, append: bool) -> None:
        super().__init__(path, mode="a" if append else "w", encoding="utf-8", delay=True)
        self.path = path

    def _open(self) -> TextIOWrapper:
        return cast("TextIOWrapper", open_text(self.path, self.mode))

    def emit(self, record: logging.LogRecord) -> None:
        with writing(self.path):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        raise  # noqa: PLE0704 (called while an error is handled)


def log_span(name: str, seconds: float, level: int = logging.INFO, **fields: object) -> None:
    """Log `span=name ms=... fields`."""
    LOGGER.log(level, "span=%s ms=%.2f%s", name, seconds * 1e3, "".join(f" {k}={v}" for k, v in fields.items()))


@contextmanager
def span(name: str, level: int = logging.INFO, **fields: object) -> Iterator[None]:
    """Log the span when the block ends; costs nothing to speak of where the level is off."""
    if not LOGGER.isEnabledFor(level):
        yield
        return
    start = time.perf_counter()
    try:
        yield
    finally:
        log_span(name, time.perf_counter() - start, level, **fields)
