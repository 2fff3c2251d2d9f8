"""Checkpoints of a run: one directory a step, complete before it has its name, checked before it is read.

    checkpoints/step-00000500/{model.safetensors, optimizer.safetensors, state.json, ..., MANIFEST.json}

It is written under a temporary name beside its goal and renamed when the manifest, which names the size and sha256
of every file, is on disk. A reader takes the newest directory whose manifest verifies. What a killed process left
behind is put right by whoever writes or looks there next (drafts.py).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ..errors import CheckpointError, NanochatWarning, TooLargeError, unreadable, was_not_read
from ..storage.atomic import Written, linked, make_directory, writing
from ..storage.drafts import recover, remove, replacing_folder, sweep, sync_directory, take_name
from ..storage.lock import held, removable
from .manifest import NewerVersionError, describe, read_manifest, verify, write_manifest
from .names import MANIFEST, STEPS, step_folder, step_of

__all__ = [  # with what belongs to it from manifest.py
    "MANIFEST",
    "discard",
    "list_checkpoints",
    "newest_checkpoint",
    "newest_that",
    "prune",
    "read_manifest",
    "save_directory",
    "superfluous",
    "verify",
]

T = TypeVar("T")


def save_directory(parent: Path, step: int, write_files: Callable[[Path], Mapping[str, Written] | None]) -> Path:
    """parent/step-N with what `write_files(folder)` writes; replaces one of the same step. Raises WriteError.

    `write_files` may return what the writers of large files returned, by file name: those are not read again for the
    manifest. One writer at a time in a folder.
    """
    if parent.is_symlink():
        raise linked(parent)
    is_new = not parent.exists()
    make_directory(parent)
    if is_new:
        with writing(parent):
            sync_directory(parent.parent)
    goal = step_folder(parent, step)
    with writing(goal), replacing_folder(goal, STEPS) as draft:
        write_manifest(draft, step, describe(draft, write_files(draft) or {}))
    return goal


def list_checkpoints(parent: Path) -> list[Path]:
    """Every step-N under `parent`, the oldest first, not verified; none where there is nothing.

    Raises CheckpointError where the folder cannot be read, which does not mean that it is empty, and where it is none.
    """
    try:
        found = [(step, path) for path in parent.iterdir() if (step := step_of(path)) >= 0]
        return [path for _, path in sorted(found) if path.is_dir()]
    except (FileNotFoundError, NotADirectoryError) as error:
        if os.path.lexists(parent):
            raise CheckpointError(f"{parent} is no folder: remove it, or restore it from a copy") from error
        return []
    except OSError as error:
        raise CheckpointError(unreadable(error, parent)) from error


def newest_checkpoint(parent: Path) -> Path:
    """The last step-N under `parent` that verifies. Warns of each later one; raises CheckpointError if none does."""

    def verified(folder: Path) -> Path:
        verify(folder)
        return folder

    return newest_that(parent, verified)


def newest_that(parent: Path, read: Callable[[Path], T], choose: Callable[[Path], Iterable[Path]] | None = None) -> T:
    """What `read` makes of the newest step-N under `parent`, or of the first that `choose` gives, not refused by it.

    The one that is read is not removed meanwhile by a training that goes on; one that was removed just before is no
    damaged one, and the newest is looked for again. Warns (NanochatWarning) of each one that raised a CheckpointError;
    raises CheckpointError if all did, and at once where one may not be read, or memory does not hold it: going back
    would pass over what is whole.
    """
    damaged: dict[Path, str] = {}
    while (folder := _next_to_read(parent, choose or _newest_first, damaged)) is not None:
        with held(folder) as is_there:
            try:
                content = read(folder)
            except CheckpointError as error:
                if isinstance(error.__cause__, PermissionError) or isinstance(error, TooLargeError):
                    raise
                if is_there():
                    damaged[folder] = str(error)
                continue
        for sentence in damaged.values():
            warnings.warn(f"{sentence}; went back to {folder.name}", NanochatWarning, stacklevel=3)
        return content
    detail = (
        ": " + "; ".join(damaged.values())
        if damaged
        else ": the run was stopped before its first one, train it again with --force"
    )
    raise CheckpointError(f"{parent} holds no whole checkpoint{detail}")


def _next_to_read(parent: Path, choose: Callable[[Path], Iterable[Path]], damaged: Collection[Path]) -> Path | None:
    """The first that is there now and was not found damaged."""
    return next((folder for folder in choose(parent) if folder not in damaged), None)


def _newest_first(parent: Path) -> Iterable[Path]:
    with suppress(OSError):  # where nothing may be written, nothing is put right
        recover(parent, STEPS)
    return reversed(list_checkpoints(parent))


def prune(parent: Path, *, keep_last: int, keep: Collection[int] = ()) -> list[Path]:
    """Remove all but the newest `keep_last` whole checkpoints and those of the steps in `keep`; returns the removed.

    Damaged ones are removed, too, but for those of a newer version, which this program cannot judge; as long as none
    is whole, nothing is removed. keep_last=0 keeps all. Each loses its name at once and its files afterwards. One that
    somebody reads stays until the next time; one that is gone already has reached the goal. What a killed process left
    goes, too. Raises WriteError.
    """
    with suppress(OSError):  # it is in nobody's way
        sweep(parent, STEPS)
    return [folder for folder in superfluous(parent, keep_last=keep_last, keep=keep) if discard(folder)]


def discard(folder: Path, *, if_read: bool = False) -> bool:
    """Remove a checkpoint, unless somebody reads it and not `if_read`; whether it was done. Raises WriteError."""
    with removable(folder) as is_free, writing(folder):
        gone = take_name(folder) if is_free or if_read else None
    if gone is None:
        return False
    remove(gone)
    return True


def superfluous(parent: Path, *, keep_last: int, keep: Collection[int] = ()) -> list[Path]:
    """What `prune` would remove, the newest first."""
    if keep_last < 1:
        return []
    n_whole, goners = 0, []
    for folder in reversed(list_checkpoints(parent)):
        is_wanted = n_whole < keep_last
        try:
            (verify if is_wanted else read_manifest)(folder)
        except NewerVersionError:
            continue
        except CheckpointError as failure:
            if was_not_read(failure):
                continue
            is_wanted = False
        if is_wanted:
            n_whole += 1
        elif step_of(folder) not in keep:
            goners.append(folder)
    return goners if n_whole else []
