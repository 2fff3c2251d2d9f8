"""Where results lie: the run that a name means, the next free folder, and whether a folder may be written to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

from ..checkpoints.directory import list_checkpoints
from ..checkpoints.names import CHECKPOINTS, COMPRESSION, MANIFEST
from ..checkpoints.ownership import RUN, is_ours
from ..errors import CheckpointError, ConfigError, GuardError
from ..experiments.runs import RunDamaged, find_runs, latest_run, run_folders
from ..plain import path_of
from ..storage.atomic import writing
from ..storage.lock import folder_locked
from ..storage.reading import is_there
from .console import say
from .options import ABLATIONS, RUNS

_LONGEST_NAME = 60
"""A file system takes 255 bytes; a corpus may have a longer path, and a name in any script."""


def find_folder(name: str) -> Path:
    """The path itself, or the newest run's for `latest`. Raises ConfigError if it is not there."""
    path = latest_run(RUNS) if name == "latest" else path_of(name)
    if not is_there(path):
        raise ConfigError(f"there is no {path}: give the folder of a run (see `nanochat runs list`), or latest")
    if (path / "recipe.json").is_file():
        phases = sorted(folder.parent for folder in path.glob("*/config.json"))
        hint = f", e.g. {phases[-1]}" if phases else ""
        raise ConfigError(f"{path} holds the phases of a recipe, each a run: give the folder of one{hint}")
    return path


def run_of(path: Path) -> Path:
    """The run that a checkpoint in its folder is of; any other path as it is."""
    return path.parent.parent if path.parent.name == CHECKPOINTS and (path / MANIFEST).is_file() else path


def find_results(name: str) -> Path:
    """The same, where `latest` means the newest of runs and ablations."""
    if name != "latest":
        return find_folder(name)
    newest = [folders[0] for root in (RUNS, ABLATIONS) if (folders := run_folders(root))]
    if not newest:
        raise CheckpointError(f"there is neither a run in {RUNS} nor an ablation in {ABLATIONS}: give a folder")
    return max(newest, key=lambda folder: (folder / "config.json").stat().st_mtime_ns)


@contextmanager
def claimed(out: Path | None, root: Path, name: str, who: str) -> Iterator[Path]:
    """`out`, or the next numbered folder of `root`: made, and locked, before anything is read or written there.

    Raises GuardError where another process is at work in `out`; one that took the same number leaves the next to us.
    """
    with ExitStack() as lock:
        for path in next_folders(root, name) if out is None else [out]:
            with suppress(FileExistsError):
                lock.enter_context(folder_locked(path, who, new=out is None))
                break
        yield path


def next_folders(root: Path, name: str) -> Iterator[Path]:
    """root/name-0001, or the first number after those that are taken, and so on."""
    name = str(path_of(name[:_LONGEST_NAME]))
    pattern = re.compile(re.escape(name) + r"-(\d{4,})")
    found = [pattern.fullmatch(path.name) for path in root.iterdir()] if root.is_dir() else []
    first = max((int(match[1]) for match in found if match), default=0) + 1
    return (root / f"{name}-{number:04d}" for number in count(first))


def find_unfinished(out: Path | None) -> Path | None:
    """What `--resume auto` goes on with: the run in `out`, else the newest unfinished one; None to start afresh.

    A run without a checkpoint has nothing to go on from; one that diverged would diverge again. Raises CheckpointError
    for a run that may not be read: it may be the one that was meant.
    """
    if out is not None:
        return out if list_checkpoints(out / "checkpoints") else None

    def observe(damaged: RunDamaged) -> None:
        if not damaged.was_read:
            raise CheckpointError(f"{damaged.reason}; or name another run with --resume DIR")
        say(f"left out: {damaged.reason}")

    runs = find_runs(RUNS, observe=observe)
    open_ends = (run.path for run in runs if run.record is None or run.record.status not in ("ok", "diverged"))
    return next((path for path in open_ends if list_checkpoints(path / "checkpoints")), None)


def is_beginning(out: Path) -> bool:
    """A run that was ended before its first checkpoint lies there: nothing is lost when it starts again."""
    ended = any((out / name).exists() for name in ("record.json", "cells"))
    if ended or list_checkpoints(out / "checkpoints"):
        return False
    return is_ours(out / "config.json", RUN)


def holds_results(out: Path) -> bool:
    """A run, a study, a ladder, a recipe or a compressed model lies there.

    Raises WriteError for a path that no file can have.
    """
    with writing(out):
        is_named = any((out / name).exists() for name in ("config.json", "recipe.json", "ladder.json", COMPRESSION))
    return is_named or bool(list_checkpoints(out / "checkpoints"))


def check_free(out: Path) -> None:
    """Raises GuardError where `out` holds results: whoever starts says --force to replace them."""
    if holds_results(out):
        raise GuardError(f"{out} holds results already: choose another --out, or pass --force to replace them")


def check_free_file(path: Path) -> None:
    """Raises GuardError where something is called `path`, WriteError for a path that no file can have."""
    with writing(path):
        taken = path.exists()
    if taken:
        raise GuardError(f"{path} exists already: choose another name, or pass --force to replace it")
