"""Files as a source of bytes: regular ones only, read once, checked against their sha256 on the way."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import numpy as np

from ..errors import CheckpointError, TooLargeError, unreadable

_PIECE = 1 << 22
"""Bytes read at once: while the next ones come, the second thread takes the sha256 of these."""


class Source:
    """A regular file that is read once, front to back, while a second thread takes its sha256 if it is asked for."""

    def __init__(self, file: FileIO, path: Path, digest: Sha256 | None) -> None:
        self.path, self.size = path, os.fstat(file.fileno()).st_size
        self._file, self._digest = file, digest
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return self.size - self._at

    def read(self, n_bytes: int) -> memoryview:
        """Exactly the next `n_bytes`.

        Raises CheckpointError where the file ends before, TooLargeError where memory does.
        """
        try:
            view = np.empty(n_bytes, np.uint8).data  # a bytearray is filled with zeros first, which doubles the time
        except (MemoryError, ValueError) as error:
            raise TooLargeError(f"{self.path} needs {n_bytes:,} bytes of memory: there are fewer") from error
        at = 0
        while at < n_bytes:
            n_read = self._file.readinto(view[at : at + _PIECE])
            if not n_read:
                raise CheckpointError(f"{self.path} ends after {self._at + at:,} bytes of {self.size:,}")
            if self._digest:
                self._digest.update(view[at : at + n_read])
            at += n_read
        self._at += n_bytes
        return view


@contextmanager
def reading(path: Path, *, sha256: str | None = None, follow: bool = True) -> Iterator[Source]:
    """A Source for `path`; afterwards, if `sha256` is given, the check that this is what was read.

    follow: whether a link at `path` may lead elsewhere. Raises CheckpointError for all that a path can do to a reader:
    nothing there, a folder, a pipe, a device, no permission, another content.
    """
    with _opened(path, follow=follow) as file, Sha256() as digest:
        source = Source(file, path, digest if sha256 else None)
        yield source
        if sha256 and (source.left or digest.hexdigest() != sha256):
            raise CheckpointError(f"{path} differs from its manifest: restore it from a copy")


def file_sha256(path: Path) -> str:
    """The sha256 of a regular file of our own, piece by piece; no link is followed. Raises CheckpointError."""
    with _opened(path, follow=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _opened(path: Path, *, follow: bool) -> Iterator[FileIO]:
    """A regular file, unbuffered."""
    try:
        with FileIO(_descriptor(path, follow=follow), "rb") as file:
            yield file
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: is this a folder that nanochat wrote?") from error
    except OSError as error:
        raise CheckpointError(unreadable(error, path)) from error


def _descriptor(path: Path, *, follow: bool) -> int:
    """O_NONBLOCK: opening a pipe that nobody writes to would wait for ever; to a file it means nothing."""
    flags = os.O_RDONLY
    for name in ("O_BINARY", "O_NONBLOCK", "O_CLOEXEC", *(() if follow else ("O_NOFOLLOW",))):
        flags |= getattr(os, name, 0)
    if not follow and path.is_symlink():
        raise CheckpointError(f"{path} is a link: put the file itself there")
    try:
        descriptor = os.open(path, flags)
    except ValueError as error:  # a NUL in the path
        raise CheckpointError(f"{str(path)!r} is no path ({error}): name a file") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CheckpointError(f"{path} is no regular file: name a file")
    return descriptor


_LARGE = 1 << 16
"""Bytes of a chunk that is worth the second thread."""


class Sha256:
    """sha256 of chunks in order; large ones are left to a second thread, since hashlib works without the lock."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._last: Future[None] | None = None

    def __enter__(self) -> Sha256:
        self._worker = ThreadPoolExecutor(1)  # starts no thread before something is given to it
        return self

    def update(self, chunk: bytes | memoryview) -> None:
        """Take the next chunk, of bytes; it must not change before `hexdigest`."""
        if len(chunk) < _LARGE and (self._last is None or self._last.done()):
            self._hash.update(chunk)
        else:
            self._last = self._worker.submit(self._hash.update, chunk)

    def hexdigest(self) -> str:
        """Of all the chunks."""
        if self._last:
            self._last.result()
        return self._hash.hexdigest()

    def __exit__(self, *failure: object) -> None:
        self._worker.shutdown(cancel_futures=True)
