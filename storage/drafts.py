"""Names of unfinished work beside its goal, and putting right what a process that was killed left there.

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
from contextlib import suppress
from pathlib import Path
from typing import Literal

from ..errors import GuardError

_NAME = re.compile(r"\.(step-\d{8,})\.(\d{1,10})\.(new|old|gone)")


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


def remove_stale(parent: Path, goals: str) -> None:
    """Remove what dead processes left in `parent` of files or folders whose names match `goals`, as far as it goes."""
    name = re.compile(rf"\.(?:{goals})\.(\d{{1,10}})\.tmp")
    with suppress(OSError):
        for path in parent.iterdir():
            if (match := name.fullmatch(path.name)) and not _is_alive(int(match[1])):
                if path.is_dir() and not path.is_symlink():
                    remove(path)
                else:
                    path.unlink()


def recover(parent: Path) -> None:
    """Give a checkpoint its name again that a process had moved aside when it was killed. Raises OSError."""
    for path, goal, word in _leftovers(parent):
        if word == "old" and not goal.exists():  # killed between two renames: it is the only one of its step
            os.replace(path, goal)


def sweep(parent: Path) -> None:
    """`recover`, and remove everything else that dead processes left in `parent`. Raises OSError."""
    recover(parent)
    for path, _, _ in _leftovers(parent):
        remove(path)


def remove(path: Path) -> None:
    """Remove a folder, or as much of it as can be: the next sweep will try again."""
    shutil.rmtree(path, ignore_errors=True)


def _leftovers(parent: Path) -> list[tuple[Path, Path, str]]:
    """(path, what it was to become, word) of unfinished work of dead processes.

    Work that carries our own number was left by an earlier process of the same number, as in a container, where it is
    always the same one.
    """
    matches = [(path, _NAME.fullmatch(path.name)) for path in sorted(parent.iterdir())]
    return [(path, parent / m[1], m[3]) for path, m in matches if m and not _is_alive(int(m[2]))]


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
