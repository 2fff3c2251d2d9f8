"""Files from outside, opened in one place: regular ones only, and each refusal a sentence of whoever wants to read.

`opened` is the door; `read_bytes` and `decode_text` are for text, `reading` for arrays and for what has a sha256.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from ..errors import CheckpointError, NanochatError, TooLargeError, unreadable

if TYPE_CHECKING:  # heavy, and `nanochat --help`, which may read a file of settings, needs none of them
    from concurrent.futures import Future

    import numpy as np

_PIECE = 1 << 22
"""Bytes read at once: while the next ones come, the second thread takes the sha256 of these."""


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What is said where a file of one kind is not read, and as which error.

    In a sentence {path} is the name that was given, {why} what the system says, {size} and {limit} are bytes.
    """

    error: type[NanochatError]
    missing: str
    irregular: str
    """A pipe or a device, which may never end."""
    no_path: str
    """A NUL in the path."""
    too_large: str = ""
    is_link: str = ""
    is_folder: str = ""
    """The same as `irregular` where nothing else is said."""
    no_permission: str = ""
    """The same as `refused`."""
    refused: str = "{sentence}"
    """{sentence} is what `errors.unreadable` says."""

    def refusal(self, template: str, name: str, **facts: object) -> NanochatError:
        """The error with the sentence completed."""
        return self.error(template.format(path=name, **facts))


OURS = Wording(
    error=CheckpointError,
    missing="{path} is missing: is this a folder that nanochat wrote?",
    irregular="{path} is no regular file: name a file",
    no_path="{path!r} is no path ({why}): name a file",
    too_large="{path} has {size:,} bytes, over {limit:,}: is it the right file?",
    is_link="{path} is a link: put the file itself there",
)
"""For what we wrote ourselves."""


@contextmanager
def opened(
    path: Path,
    wording: Wording = OURS,
    *,
    name: str = "",
    limit: int | None = None,
    follow: bool = True,
    buffering: int = -1,
) -> Iterator[IO[bytes]]:
    """A regular file of at most `limit` bytes, open for reading.

    name: how the path was given, if otherwise. follow: whether a link at `path` may lead elsewhere.
    Raises the error of `wording` for all that a path can do to a reader: nothing there, a folder, a pipe, a device, no
    permission, too many bytes.
    """
    name = name or str(path)
    try:
        descriptor = _descriptor(path, wording, name, follow=follow, limit=limit)
        with os.fdopen(descriptor, "rb", buffering=buffering) as file:
            yield file
    except FileNotFoundError as error:
        raise wording.refusal(wording.missing, name) from error
    except OSError as error:
        sentence = wording.no_permission if isinstance(error, PermissionError) else ""
        facts = {"why": error.strerror or error, "sentence": unreadable(error, name)}
        raise wording.refusal(sentence or wording.refused, name, **facts) from error


def is_there(path: Path) -> bool:
    """Whether something has this name. Raises CheckpointError where the system does not say, as of links in a circle:
    to it `Path.exists` says no.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in it
        return False
    except OSError as error:
        raise CheckpointError(unreadable(error, path)) from error
    return True


def _descriptor(path: Path, wording: Wording, name: str, *, follow: bool, limit: int | None) -> int:
    """O_NONBLOCK: opening a pipe that nobody writes to would wait for ever; to a file it means nothing."""
    flags = os.O_RDONLY
    for flag in ("O_BINARY", "O_NONBLOCK", "O_CLOEXEC", *(() if follow else ("O_NOFOLLOW",))):
        flags |= getattr(os, flag, 0)
    if not follow and path.is_symlink():
        raise wording.refusal(wording.is_link, name)
    try:
        descriptor = os.open(path, flags)
    except ValueError as error:
        raise wording.refusal(wording.no_path, name, why=error) from error
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise wording.refusal(wording.irregular, name) from error
        raise
    info, sentence = os.fstat(descriptor), ""
    if stat.S_ISDIR(info.st_mode):
        sentence = wording.is_folder or wording.irregular
    elif not stat.S_ISREG(info.st_mode):
        sentence = wording.irregular
    elif limit is not None and info.st_size > limit:
        sentence = wording.too_large
    if sentence:
        os.close(descriptor)
        raise wording.refusal(sentence, name, size=info.st_size, limit=limit)
    return descriptor


def read_bytes(path: Path, wording: Wording = OURS, *, limit: int | None = None) -> bytes:
    """The content of a regular file of at most `limit` bytes. Raises the error of `wording`."""
    with opened(path, wording, limit=limit) as file:
        return file.read()


def decode_text(raw: bytes, where: str, error: type[NanochatError], *, offset: int = 0, n_lines: int = 0) -> str:
    """The UTF-8 text of bytes from outside, without a byte order mark at its beginning.

    The bytes begin at `offset` of their file `where`, after `n_lines` lines. Raises `error`, naming line and byte.
    """
    zero = raw.find(b"\0")
    if zero >= 0:
        line = n_lines + _n_line_ends(raw[:zero]) + 1
        raise error(
            f"{where}, line {line}: a NUL at byte {offset + zero}, so it is binary or UTF-16: save it as UTF-8 text"
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as failure:
        line = n_lines + _n_line_ends(raw[: failure.start]) + 1
        raise error(
            f"{where}, line {line}: not UTF-8, byte 0x{raw[failure.start]:02x} at byte offset {offset + failure.start} "
            "begins no character: save the file as UTF-8"
        ) from None
    return text.removeprefix("\ufeff") if offset == 0 else text


def _n_line_ends(raw: bytes) -> int:
    return raw.count(b"\n") + raw.count(b"\r") - raw.count(b"\r\n")


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
        import numpy as np

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
def reading(
    path: Path, *, sha256: str | None = None, limit: int | None = None, follow: bool = True
) -> Iterator[Source]:
    """A Source for `path`; afterwards, if `sha256` is given, the check that this is what was read.

    The other options are those of `opened`. Raises CheckpointError for all that a path can do to a reader, and for
    another content.
    """
    with opened(path, limit=limit, follow=follow, buffering=0) as file, Sha256() as digest:
        source = Source(cast("FileIO", file), path, digest if sha256 else None)
        yield source
        if sha256 and (source.left or digest.hexdigest() != sha256):
            raise CheckpointError(f"{path} differs from its manifest: restore it from a copy")


def file_sha256(path: Path, *, follow: bool = False, limit: int | None = None) -> str:
    """The sha256 of a regular file, piece by piece; the options are those of `opened`. Raises CheckpointError."""
    import hashlib

    with opened(path, follow=follow, limit=limit, buffering=0) as file:
        return hashlib.file_digest(cast("Any", file), "sha256").hexdigest()


def mapped(path: Path, dtype: np.dtype[Any], count: int) -> np.ndarray:
    """The first `count` numbers of a file as an array (count,) that stays on disk. Raises OSError, ValueError."""
    import numpy as np

    if not path.is_file():  # a pipe would be waited for
        raise ValueError(f"{path.name} is no regular file")
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", shape=(count,)))


_LARGE = 1 << 16
"""Bytes of a chunk that is worth the second thread."""


class Sha256:
    """sha256 of chunks in order; large ones are left to a second thread, since hashlib works without the lock."""

    def __init__(self) -> None:
        import hashlib

        self._hash = hashlib.sha256()
        self._last: Future[None] | None = None

    def __enter__(self) -> Sha256:
        from concurrent.futures import ThreadPoolExecutor

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
