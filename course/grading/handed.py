"""What was handed in, read and not run: a zip of `nanochat learn submit`, one packed by hand, or a student's folder.

Only files that the course knows are taken out of a zip, each up to a bound, so that nothing else in it is unpacked.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from ...errors import DataError, NanochatError
from ...storage.reading import Wording, is_there, read_bytes
from ..lessons import LESSONS, find_exercise
from ..progress import NAME
from ..workspace import SETTINGS

RECEIPT = "receipt.json"
_LARGEST_FILE = 1 << 20
_LARGEST_ZIP = 8 << 20
_MOST_UNPACKED = 64 << 20
_MOST_FILES = 2000
_HOW = "ask for what `nanochat learn submit` writes"
_WORDING = Wording(
    error=DataError,
    missing="{path} is not there any more",
    irregular="{path} is no regular file",
    no_path="{path!r} is no path ({why})",
    too_large="{path} has {size:,} bytes, and an answer has a page",
    is_link="{path} is a link, and may lead anywhere",
)
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(RuntimeError, NotImplementedError, ValueError, OverflowError, IndexError),
)
"""What zipfile says of a zip that is none: cut off, encrypted, packed in a way that Python does not know."""


@dataclass(frozen=True, kw_only=True)
class Handed:
    """One submission."""

    name: str
    """Of the zip or the folder."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """By their paths in a student's folder."""
    problems: Sequence[str] = ()
    """What could not be read of it, a sentence each."""


def answer_path(key: str) -> str:
    """Where the answer to an exercise lies in a student's folder: `01-value/bend.py`."""
    lesson = next(one for one in LESSONS if key in one.keys)
    return f"{lesson.folder}/{find_exercise(key).file}"


KEYS = tuple(key for lesson in LESSONS for key in lesson.keys)


def _known() -> set[str]:
    return {NAME, SETTINGS, RECEIPT, *map(answer_path, KEYS)}


def read_class(folder: Path) -> tuple[list[Handed], list[str]]:
    """Every zip and folder in `folder`, by name, and the names of what is neither. Raises DataError."""
    if not is_there(folder):
        raise DataError(f"{folder} does not exist: name the folder that the submissions lie in")
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: name the one that the submissions lie in")
    found, others = list[Handed](), list[str]()
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__MACOSX")):
            continue
        if path.is_dir() or path.suffix.lower() == ".zip":
            found.append(read_handed(path))
        else:
            others.append(path.name)
    if not found:
        raise DataError(f"{folder} holds no submission: a zip or a folder for each student belongs there")
    return found, others


def read_handed(path: Path) -> Handed:
    """A zip or a folder. What is wrong with it is among its problems; nothing is raised."""
    try:
        if path.is_dir():
            return _from_folder(path)
        raw = read_bytes(path, _WORDING, limit=_LARGEST_ZIP)
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return _from_zip(path.name, archive)
    except NanochatError as error:
        return Handed(name=path.name, problems=[f"{error}: {_HOW}"])
    except _DAMAGED as error:
        why = " ".join(str(error).split()) or type(error).__name__
        return Handed(name=path.name, problems=[f"it is damaged or no zip ({why}): {_HOW}"])


def _from_zip(name: str, archive: zipfile.ZipFile) -> Handed:
    members = [one for one in archive.infolist() if not one.is_dir()]
    unpacked = sum(one.file_size for one in members)
    if len(members) > _MOST_FILES or unpacked > _MOST_UNPACKED:
        raise DataError(
            f"it would unpack to {unpacked:,} bytes in {len(members):,} files, a zip bomb or another zip than that of "
            "a course, so nothing was unpacked"
        )
    home = _home(one.filename for one in members)
    files, problems = dict[str, bytes](), list[str]()
    for wanted in sorted(_known()):
        same = [one for one in members if PurePosixPath(one.filename) == home / wanted]
        if len(same) > 1:
            problems.append(f"it holds {wanted} {len(same)} times: {_HOW}")
        elif same:
            files[wanted] = _unpacked(archive, same[0], wanted)
    return Handed(name=name, files=files, problems=problems)


def _home(names: Iterator[str]) -> PurePosixPath:
    """The folder in a zip in which the course's files lie: zips that are packed by hand have one around them."""
    paths = (path for path in map(PurePosixPath, names) if path.parts[:1] != ("__MACOSX",))
    marks = (path for path in paths if path.name in (NAME, SETTINGS))
    return min(marks, key=lambda path: len(path.parts), default=PurePosixPath(NAME)).parent


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, wanted: str) -> bytes:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotImplementedError("it is packed in a way that needs memory without a bound")
    with archive.open(member) as file:
        raw = file.read(_LARGEST_FILE + 1)
    if len(raw) > _LARGEST_FILE:
        raise DataError(f"{wanted} unpacks to more than {_LARGEST_FILE:,} bytes, a zip bomb or no answer")
    return raw


def _from_folder(folder: Path) -> Handed:
    """A student's own folder; or one that a learning platform made for them, with their zip in it."""
    zips = [path for path in folder.iterdir() if path.suffix.lower() == ".zip" and not path.is_symlink()]
    if len(zips) == 1 and not any((folder / name).exists() for name in (NAME, SETTINGS)):
        return replace(read_handed(zips[0]), name=f"{folder.name}/{zips[0].name}")
    files, problems = dict[str, bytes](), list[str]()
    home = folder.resolve()
    for wanted in sorted(_known()):
        path = folder / wanted
        try:
            if not path.is_symlink() and not is_there(path):
                continue
            if path.resolve() != home / wanted:
                raise DataError(f"{wanted} is a link, and may lead anywhere")
            files[wanted] = read_bytes(path, _WORDING, limit=_LARGEST_FILE)
        except (NanochatError, OSError, RuntimeError) as error:
            problems.append(f"{error}: {_HOW}")
    return Handed(name=folder.name, files=files, problems=problems)
