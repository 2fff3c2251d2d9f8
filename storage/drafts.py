"""Unfinished work beside its goal: its names, folders that appear whole, and what a killed process left put right.

.tokenizer.json.<pid>.tmp   a file, or a folder, being written
.step-00000500.<pid>.new    being written
.step-00000500.<pid>.old    moved aside, for the new one of the same step is about to take its name
.step-00000500.<pid>.gone   being removed
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from ..errors import GuardError

_MOST_PID = 1 << 22
"""What Linux allows; macOS has fewer."""


def draft_name(goal: Path, word: Literal["tmp", "new", "old", "gone"]) -> Path:
    """The name of unfinished work of this process on `goal`."""
    return goal.with_name(f".{goal.name}.{os.getpid()}.{word}")


def give_name(draft: Path, goal: Path, *, new: bool = False) -> None:
    """The finished draft takes the name of its goal, and the place of what is there, unless it is to be `new`.

    Then it is the system that looks and names in one: of two that write one new file the second is refused, whenever
    each of them looked. Raises GuardError where something has the name, OSError.
    """
    if not new:
        os.replace(draft, goal)
        return
    try:
        os.link(draft, goal)
    except FileExistsError:
        raise is_taken(goal) from None
    except OSError:  # a file system without hard links: an empty file takes the name, and is replaced
        try:
            os.close(os.open(goal, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            raise is_taken(goal) from None
        os.replace(draft, goal)
    else:
        draft.unlink()


def is_taken(path: Path) -> GuardError:
    """The refusal to replace what is to be new."""
    return GuardError(f"{path} exists already: choose another name")


def remove_stale(parent: Path, goals: str, *, folders: bool = False) -> None:
    """Remove what dead processes left in `parent` of files, or of `folders`, whose names match `goals`, as it goes."""
    name = re.compile(rf"\.(?:{goals})\.(\d{{1,10}})\.tmp")
    with suppress(OSError):
        for path in parent.iterdir():
            match = name.fullmatch(path.name)
            if match is None or not _may_have_died(int(match[1])):
                continue
            if path.is_symlink() or (not folders and path.is_file()):
                path.unlink()
            elif folders and path.is_dir():
                remove(path)


def is_draft(folder: Path) -> bool:
    """Whether this process is filling it: nobody else looks there, and it will be renamed, or removed, as a whole."""
    return re.fullmatch(rf"\..+\.{os.getpid()}\.(tmp|new)", folder.name) is not None


@contextmanager
def new_folder(goal: Path, goals: str) -> Iterator[Path]:
    """A folder to fill that is `goal` when the block ends; where another process was faster, its one stays.

    What dead processes left of folders whose names match `goals` goes first. Raises OSError.
    """
    goal.parent.mkdir(parents=True, exist_ok=True)
    remove_stale(goal.parent, goals, folders=True)
    draft = draft_name(goal, "tmp")
    draft.mkdir()
    try:
        yield draft
        try:
            os.replace(draft, goal)
        except OSError:
            if not goal.is_dir():
                raise
    finally:
        remove(draft)


@contextmanager
def replacing_folder(goal: Path, goals: str) -> Iterator[Path]:
    """A folder to fill that takes the place of `goal` when the block ends, on the disk itself; `sweep` goes first.

    Raises OSError.
    """
    sweep(goal.parent, goals)
    draft, former = draft_name(goal, "new"), draft_name(goal, "old")
    try:
        draft.mkdir()
        yield draft
        sync_directory(draft)
        if goal.exists():  # a folder with something in it cannot be replaced, only moved out of the way
            os.replace(goal, former)
        os.replace(draft, goal)
        sync_directory(goal.parent)
    except BaseException:
        if former.exists() and not goal.exists():
            os.replace(former, goal)
        raise
    finally:
        remove(draft)
        if goal.exists():  # else the former one is all there is, and `recover` will give it its name again
            remove(former)


def take_name(folder: Path) -> Path | None:
    """Where `folder` lies from now on, to be removed; None where another was faster. Raises OSError."""
    gone = draft_name(folder, "gone")
    try:
        os.replace(folder, gone)
    except FileNotFoundError:
        return None
    return gone


def recover(parent: Path, goals: str) -> None:
    """Give a folder its name again that a process had moved aside when it was killed. Raises OSError.

    goals: what names to look for, as a pattern.
    """
    for path, goal, word in _leftovers(parent, goals):
        if word == "old" and not goal.exists():  # killed between two renames: it is the only one of its step
            with suppress(FileNotFoundError):  # another process that looked here was faster
                os.replace(path, goal)


def sweep(parent: Path, goals: str) -> None:
    """`recover`, and remove everything else that dead processes left in `parent`. Raises OSError."""
    recover(parent, goals)
    for path, _, _ in _leftovers(parent, goals):
        remove(path)


def remove(path: Path) -> None:
    """Remove a folder, or as much of it as can be: the next sweep will try again."""
    shutil.rmtree(path, ignore_errors=True)


def sync_directory(path: Path) -> None:
    """Make a rename inside `path` survive a power cut; Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _leftovers(parent: Path, goals: str) -> list[tuple[Path, Path, str]]:
    """(path, what it was to become, word) of unfinished work of dead processes.

    Work that carries our own number was left by an earlier process of the same number, as in a container, where it is
    always the same one.
    """
    name = re.compile(rf"\.({goals})\.(\d{{1,10}})\.(new|old|gone)")
    matches = [(path, name.fullmatch(path.name)) for path in sorted(parent.iterdir())]
    return [(path, parent / m[1], m[3]) for path, m in matches if m and _may_have_died(int(m[2]))]


def _may_have_died(pid: int) -> bool:
    """A number that a process can have had, and none has: .notes.20251224.tmp is somebody's own."""
    return (sys.platform == "win32" or pid <= _MOST_PID) and not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    """Whether another process of this number runs."""
    if pid == os.getpid():
        return False
    if sys.platform == "win32":  # os.kill would end it
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x100000, False, pid)  # SYNCHRONIZE
        waiting = bool(handle) and ctypes.windll.kernel32.WaitForSingleObject(handle, 0) == 0x102  # WAIT_TIMEOUT
        ctypes.windll.kernel32.CloseHandle(handle)
        return waiting
    try:
        os.kill(pid, 0)
    except PermissionError:  # of somebody else
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True
