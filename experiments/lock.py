"""One sweep, or run, at a time in a folder: a lock that the system lets go of when its holder dies, however it dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..checkpoints.files import make_directory, writing
from ..errors import GuardError


@contextmanager
def folder_locked(folder: Path, who: str = "sweep") -> Iterator[None]:
    """Hold `folder` for this process, a `who`. Raises GuardError where another one holds it, WriteError.

    A lock file that a dead process left behind holds nobody up: the system's lock on it ended with the process.
    """
    make_directory(folder)
    path = folder / ".lock"
    descriptor = _take(path, who)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file; it lies there, and nobody holds it
            path.unlink()
        os.close(descriptor)


def _take(path: Path, who: str) -> int:
    """An open file with the lock on it."""
    while True:
        with writing(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if not _lock(descriptor):
            holder = _holder(descriptor)
            os.close(descriptor)
            raise GuardError(f"another {who}{holder} is at work in {path.parent}: wait for it, or choose another --out")
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)  # its holder removed the file after we had opened it: take the new one


def _holder(descriptor: int) -> str:
    with suppress(OSError, ValueError):
        return f" (process {int(os.read(descriptor, 20))})"
    return ""


def _lock(descriptor: int) -> bool:
    """Try once; whether it worked."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _FAR, os.SEEK_SET)  # not the number, which others want to read
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


_FAR = 1 << 20
