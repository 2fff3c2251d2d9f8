"""Structured lines about a run, and how long its parts take: `level key=value ...`, from the standard library.

`NANOCHAT_LOG` (debug, info, warning, error; info by default) says how much goes into a run's log.txt.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import ConfigError

LOGGER = logging.getLogger("nanochat")
LOGGER.addHandler(logging.NullHandler())
LOGGER.propagate = False
_LEVELS = ("debug", "info", "warning", "error")


class RunLog:
    """A context in which the logger writes to `path`, or nowhere. Raises ConfigError on an unknown level."""

    def __init__(self, path: Path | None) -> None:
        level = os.environ.get("NANOCHAT_LOG", "info").lower()
        if level not in _LEVELS:
            raise ConfigError(f"NANOCHAT_LOG={level!r} is not a level: choose one of {', '.join(_LEVELS)}")
        self.level = level.upper()
        self.path = path

    def __enter__(self) -> Self:
        self.previous = LOGGER.level
        self.handler: logging.Handler = (
            logging.FileHandler(self.path, mode="a", encoding="utf-8", delay=True)
            if self.path
            else logging.NullHandler()
        )
        self.handler.setFormatter(logging.Formatter("%(asctime)s level=%(levelname)s %(message)s"))
        LOGGER.addHandler(self.handler)
        LOGGER.setLevel(self.level)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            LOGGER.error("event=stopped reason=%r", str(error) or type(error).__name__)
        LOGGER.removeHandler(self.handler)
        LOGGER.setLevel(self.previous)
        self.handler.close()


@contextmanager
def span(name: str, level: int = logging.INFO, **fields: object) -> Iterator[None]:
    """Log `span=name ms=... fields` when the block ends; costs nothing to speak of where the level is off."""
    if not LOGGER.isEnabledFor(level):
        yield
        return
    start = time.perf_counter()
    try:
        yield
    finally:
        ms = (time.perf_counter() - start) * 1e3
        LOGGER.log(level, "span=%s ms=%.2f%s", name, ms, "".join(f" {key}={value}" for key, value in fields.items()))
