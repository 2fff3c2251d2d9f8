"""Where results lie: the run that a name means, the next free folder, and whether a folder may be written to."""

from __future__ import annotations

import re
from pathlib import Path

from ..checkpoints.files import writing
from ..errors import ConfigError, GuardError
from ..experiments.runs import latest_run
from .commands import RUNS

_LONGEST_NAME = 60
"""A file system takes 255 bytes; a corpus may have a longer path, and a name in any script."""


def find_folder(name: str) -> Path:
    """The path itself, or the newest run's for `latest`. Raises ConfigError if it is not there."""
    path = latest_run(RUNS) if name == "latest" else Path(name)
    if not path.exists():
        raise ConfigError(f"there is no {path}: give the folder of a run (see `nanochat runs list`), or latest")
    return path


def next_folder(root: Path, name: str) -> Path:
    """root/name-0001, or the first number after those that are taken."""
    name = name[:_LONGEST_NAME]
    pattern = re.compile(re.escape(name) + r"-(\d{4,})")
    found = [pattern.fullmatch(path.name) for path in root.iterdir()] if root.is_dir() else []
    return root / f"{name}-{max((int(match[1]) for match in found if match), default=0) + 1:04d}"


def holds_results(out: Path) -> bool:
    """A run or a study lies there. Raises WriteError for a path that no file can have."""
    with writing(out):
        return (out / "config.json").exists()


def check_free(out: Path) -> None:
    """Raises GuardError where `out` holds results: whoever starts says --force to replace them."""
    if holds_results(out):
        raise GuardError(f"{out} holds results already: choose another --out, or pass --force to replace them")
