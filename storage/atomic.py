"""Write a file whole or not at all, and say in one sentence why it could not be written; and JSON both ways."""

from __future__ import annotations

import codecs
import errno
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypedDict

from ..errors import GuardError, UsageError, WriteError
from .drafts import draft_name, give_name, is_draft, is_taken, remove_stale
from .reading import Sha256, reading
from .strict_json import check_writable, strict_json

LIMIT_JSON = 1 << 28
"""Configs, states and manifests above 256 MiB are refused unread."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Written(TypedDict):
    """What a manifest keeps of a file."""

    bytes: int
    sha256: str


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the operating system says against writing `path` into a WriteError, and a name that is none."""
    try:
        is_name = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        is_name = False
    if str(path) == "-":
        raise UsageError("- is a file here, not stdout: name a file")
    if not is_name:
        raise WriteError(f"cannot write {str(path)!r}: that is no name of a file; choose another --out")
    try:
        yield
    except OSError as error:
        mending = "free space or choose another --out" if error.errno in _FULL else "choose another --out"
        raise WriteError(f"cannot write {path}: {_reason(error)}; {mending}") from error


def make_directory(path: Path, *, new: bool = False) -> None:
    """Create the folder and its parents; it may exist already, unless it is to be `new`."""
    with writing(path):
        try:
            path.mkdir(parents=True, exist_ok=not new)
        except FileExistsError:
            if new:
                raise is_taken(path) from None
            raise


def write_text(path: Path, text: str, *, new: bool = False) -> Written:
    """Atomically replace `path` by UTF-8 text, line ends as they are; new: as for `write_bytes`."""
    return write_bytes(path, text.encode("utf-8"), new=new)


def write_bytes(path: Path, content: bytes, *, new: bool = False) -> Written:
    """Atomically replace `path`: temporary file beside it, fsync, rename.

    new: nothing may be there, nor come there meanwhile. Raises WriteError, and GuardError where it does.
    """
    return write_chunks(path, [content], new=new)


def write_chunks(path: Path, chunks: Iterable[bytes | memoryview], *, new: bool = False) -> Written:
    """write_bytes for content that comes in pieces (memoryviews of bytes), each needed only once.

    The sha256 is that of the content in memory, so that a disk that keeps something else is found out later.
    """
    make_directory(path.parent)
    with writing(path):
        return replace_file(path, chunks, new=new)


def replace_file(path: Path, chunks: Iterable[bytes | memoryview], *, new: bool = False) -> Written:
    """write_chunks, whose parent folder is there, for those who have a sentence of their own.

    Raises OSError, and GuardError where it is to be `new` and is there.
    """
    if path.is_symlink():  # as /dev/stdout is; the rename would put a file in the place of the link
        raise linked(path)
    if path.exists() and not path.is_file():  # ... or of /dev/null
        raise OSError(errno.EEXIST, "it is no regular file")
    draft = path
    if not is_draft(path.parent):  # in there nothing is read before it has its name
        draft = draft_name(path, "tmp")  # not tempfile's: its files are for the owner alone
        remove_stale(path.parent, re.escape(path.name))
    n_bytes = 0
    try:
        with Sha256() as digest:
            with draft.open("xb") as file:  # x follows no link
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
                    n_bytes += len(chunk)
                sync_file(file)
            if draft != path:
                give_name(draft, path, new=new)
            return {"bytes": n_bytes, "sha256": digest.hexdigest()}
    except BaseException:  # Ctrl-C, too, leaves no draft behind; it is raised on
        with suppress(OSError):
            draft.unlink()
        raise


def remove_files(folder: Path, names: Iterable[str]) -> None:
    """Remove the files of `folder` that have these names, in their order. Raises WriteError."""
    with writing(folder):
        for name in names:
            (folder / name).unlink(missing_ok=True)


def open_text(path: Path, mode: str) -> IO[str]:
    """Open a file of ours to write lines to, and nothing else. Raises OSError, and GuardError naming what it is."""
    return open(path, mode, encoding="utf-8", newline="\n", opener=open_file)


def open_file(path: str | Path, flags: int) -> int:
    """A descriptor of a regular file. In a folder from elsewhere something else may lie where a file of ours belongs.

    What a link leads to stays, and nobody waits for the reader of a pipe: O_NONBLOCK means nothing to a file.
    """
    if Path(path).is_symlink():
        raise linked(Path(path))
    try:
        descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a pipe without a reader, a socket
            raise _no_file(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_file(path)
    return descriptor


def linked(path: Path) -> GuardError:
    """The refusal to write to a link."""
    return GuardError(f"{path} is a link, and nothing is written through one: remove it, or choose another --out")


def write_json(path: Path, content: Any, *, new: bool = False) -> Written:
    """Atomically write JSON that reads well and is the same bytes for the same content. Raises on nan and inf."""
    return write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", new=new)


def read_json(path: Path, *, limit: int = LIMIT_JSON, follow: bool = True, is_foreign: bool = False) -> Any:
    """The content of a JSON file, at most `limit` bytes; one that others wrote may begin with a byte order mark.

    Raises CheckpointError.
    """
    with reading(path, limit=limit, follow=follow) as source:
        raw = source.read(source.size)
        has_mark = is_foreign and bytes(raw[:3]) == codecs.BOM_UTF8
        content = strict_json(raw[3:] if has_mark else raw, path)
        check_writable(content, path)
        return content


def sync_file(file: IO[Any]) -> None:
    """All that was written to an open file, to the disk itself. Raises OSError."""
    file.flush()
    os.fsync(file.fileno())


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _no_file(path: str | Path) -> GuardError:
    return GuardError(f"{path} is no regular file, and nothing is written to it: remove it, or choose another --out")
