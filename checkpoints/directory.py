"""Checkpoints of a run: one directory a step, complete before it has its name, checked before it is read.

    checkpoints/step-00000500/{model.json, optimizer.json, state.json, MANIFEST.json}

It is written under a temporary name beside its goal and renamed when the manifest, which names the size and sha256
of every file, is on disk. A reader takes the newest directory whose manifest verifies.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..errors import CheckpointError
from .files import make_directory, read_json, sync_directory, write_json, writing

MANIFEST = "MANIFEST.json"
VERSION = 1


def save_directory(parent: Path, step: int, write_files: Callable[[Path], None]) -> Path:
    """parent/step-N with what `write_files(folder)` writes; replaces one of the same step. Raises WriteError."""
    make_directory(parent)
    goal = parent / f"step-{step:08d}"
    with writing(goal):
        draft, former = (parent / f".{goal.name}.{os.getpid()}.{word}" for word in ("new", "old"))
        try:
            draft.mkdir()
            write_files(draft)
            write_json(draft / MANIFEST, {"version": VERSION, "step": step, "files": _describe(draft)})
            sync_directory(draft)
            if goal.exists():  # a folder with something in it cannot be replaced, only moved out of the way
                os.replace(goal, former)
            os.replace(draft, goal)
            sync_directory(parent)
        except BaseException:
            if former.exists() and not goal.exists():
                os.replace(former, goal)
            raise
        finally:
            for leftover in (draft, former):
                with suppress(OSError):
                    shutil.rmtree(leftover)
    return goal


def newest_checkpoint(parent: Path) -> Path:
    """The last step-N under `parent` that verifies. Raises CheckpointError naming those that do not."""
    damaged = []
    for folder in sorted(parent.glob("step-*"), reverse=True):
        try:
            verify(folder)
        except CheckpointError as error:
            damaged.append(str(error))
        else:
            return folder
    detail = ": " + "; ".join(damaged) if damaged else ", the run was stopped before its first one"
    raise CheckpointError(f"{parent} holds no whole checkpoint{detail}")


def verify(folder: Path) -> None:
    """Raises CheckpointError unless the manifest's files are there, all with their size and sha256, and no others."""
    manifest = read_json(folder / MANIFEST)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or manifest.get("version") != VERSION:
        raise CheckpointError(f"{folder / MANIFEST} is damaged or of another version: restore it from a copy")
    if files != _describe(folder):
        raise CheckpointError(f"{folder} differs from its manifest: restore it from a copy or use an older checkpoint")


def _describe(folder: Path) -> dict[str, dict[str, int | str]]:
    try:
        contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be read ({error.strerror})") from error
    return {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }
