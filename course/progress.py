"""Where a student stands: progress.json in their own folder, readable, written whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ..errors import CheckpointError, GuardError
from ..storage.atomic import read_json, write_json
from ..storage.lock import folder_locked
from ..validation import read_dataclass

NAME = "progress.json"
_FORMAT = 1
_PATIENCE_S = 10.0
"""Another check of the same folder holds it for milliseconds."""

Status = Literal["started", "broken", "passed"]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One exercise so far."""

    status: Status = "started"
    """What the last check found; once passed it stays so."""
    variant: str = ""
    file: str = ""
    """Relative to the folder."""
    tries: int = 0
    first_try: str = ""
    passed: str = ""
    sha256: str = ""
    """Of the file that passed, or that was checked last."""
    hints: int = 0
    gave_up: bool = False


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Every exercise that was begun, by its key."""

    format: int = _FORMAT
    student: str = ""
    seed: int = 0
    nanochat: str = ""
    """The version that wrote this."""
    lessons: dict[str, Attempt] = field(default_factory=dict)

    def attempt(self, key: str) -> Attempt:
        """That of the exercise `key`; a new one where nothing was begun."""
        return self.lessons.get(key, Attempt())


def read_progress(folder: Path) -> Progress:
    """What progress.json says; nothing begun where there is none. Raises CheckpointError where it is damaged."""
    path = folder / NAME
    if not path.exists():
        return Progress()
    content = read_json(path, is_foreign=True)
    if isinstance(content, dict) and content.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path} has the format {content.get('format')!r}, and this version reads {_FORMAT}: "
            "update nanochat, or move the file away to begin anew (your answers stay)"
        )
    try:
        return read_dataclass(Progress, content, "", CheckpointError)
    except CheckpointError as error:
        raise CheckpointError(f"{path} is damaged ({error}): mend it, or move it away; your answers stay") from error


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The folder for one check at a time; another one waits its turn."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with folder_locked(folder, "check"):
                yield
            return
        except GuardError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def update(folder: Path, key: str, change: Callable[[Attempt], Attempt], **about: object) -> Progress:
    """Change one exercise's attempt in progress.json, read and written under a lock; `about` are fields of Progress."""
    with _held(folder):
        progress = read_progress(folder)
        lessons = progress.lessons | {key: change(progress.attempt(key))}
        progress = replace(progress, lessons=dict(sorted(lessons.items())), **about)  # type: ignore[arg-type]
        write_json(folder / NAME, asdict(progress))
        return progress


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
