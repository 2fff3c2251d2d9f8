"""One owner a folder, readers welcome: locks that the system lets go of when their holder dies, however it dies.

folder_locked   a run, a recipe, or a sweep owns the folder that it writes to
held            a checkpoint that somebody reads is not removed
removable       whoever removes one asks first
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..errors import GuardError
from ..machine import is_dead
from .atomic import linked, open_file, writing

LOCK = ".lock"
_LET_GO_S = 5.0


@contextmanager
def folder_locked(folder: Path, who: str = "sweep", *, new: bool = False) -> Iterator[None]:
    """Hold `folder`, made if it is not there, for this process, a `who`. Made in vain, it goes again.

    new: it must not be there yet. Raises FileExistsError where it is, GuardError where another process holds it or
    its lock file is a link, WriteError. A lock file that a dead process left behind holds nobody up: the system's lock
    on it ended with the process.
    """
    made = _make(folder)
    if new and not made:
        raise FileExistsError(folder)
    descriptor, vain = None, False
    try:
        while descriptor is None:
            descriptor = _take(folder / LOCK, who)
        with writing(folder / LOCK):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    except BaseException:
        vain = True
        raise
    finally:
        if descriptor is not None:
            with suppress(OSError):  # Windows removes no open file; it lies there, and nobody holds it
                (folder / LOCK).unlink()
            with suppress(OSError):  # it holds a number that nobody needs any more
                os.close(descriptor)
        with suppress(OSError):  # something is in it
            for path in made if vain else ():
                path.rmdir()


@contextmanager
def held(folder: Path) -> Iterator[Callable[[], bool]]:
    """Keep a checkpoint from being removed while it is read. Gives whether the folder still lies there.

    It may have been removed between the look that found it and this.
    """
    with _opened(folder) as descriptor:
        if descriptor is None:
            yield folder.exists
        else:
            _lock_folder(descriptor, exclusive=False)
            yield lambda: _is_same(descriptor, folder)


@contextmanager
def removable(folder: Path) -> Iterator[bool]:
    """Whether `folder` is there and nobody reads it; until the end of the block nobody begins to."""
    with _opened(folder) as descriptor:
        if descriptor is None:
            yield folder.is_dir()
        else:
            yield _lock_folder(descriptor, exclusive=True) and _is_same(descriptor, folder)


def _make(folder: Path) -> list[Path]:
    """Make the folder and its parents; those that were not there, the deepest first; none where it was there."""
    with writing(folder):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir()
        except FileExistsError:
            if not folder.is_dir():
                raise
            return []
    return missing


def _take(path: Path, who: str) -> int | None:
    """An open file with the lock on it; None where it was removed under our hands, and so is to be tried again."""
    try:
        descriptor = open_file(path, os.O_RDWR | os.O_CREAT)
    except FileNotFoundError:  # another process made the folder, left it empty, and took it away
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        return None
    except OSError as error:
        with writing(path):
            raise error from None
    with ExitStack() as failed:
        failed.callback(os.close, descriptor)
        if os.fstat(descriptor).st_nlink > 1:
            raise linked(path)
        if not _lock_in_time(descriptor):
            holder = _holder(descriptor)
            named = f" (process {holder})" if holder is not None else ""
            raise GuardError(f"another {who}{named} is at work in {path.parent}: wait for it, or choose another --out")
        if not re.fullmatch(rb"\s*\d{0,20}\s*", os.pread(descriptor, 64, 0) if hasattr(os, "pread") else b""):
            raise GuardError(f"{path} is in the way, and not known to be written by nanochat: move it away")
        if not _is_same(descriptor, path):  # its holder removed the file after we had opened it
            return None
        failed.pop_all()
    return descriptor


def _lock_in_time(descriptor: int) -> bool:
    """Try once; for some seconds where the holder is dead, since what it had just forked has its files for a moment."""
    end = time.monotonic() + _LET_GO_S
    while not _lock(descriptor):
        holder = _holder(descriptor)
        if holder is None or not is_dead(holder) or time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def _holder(descriptor: int) -> int | None:
    """The number of the process that wrote it there."""
    with suppress(OSError, ValueError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        return int(os.read(descriptor, 20))
    return None


def _is_same(descriptor: int, path: Path) -> bool:
    """What was opened still has its name."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


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


@contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    """The folder, open; None where it cannot be, as on Windows, which removes no file that is being read, anyway."""
    try:
        descriptor = None if sys.platform == "win32" else os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        descriptor = None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock_folder(descriptor: int, *, exclusive: bool) -> bool:
    """Try once; whether nobody stands against it. Where a file system has no locks, nobody does."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
