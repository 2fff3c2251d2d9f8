"""A text file, checked while it is read: whole, or line by line, so that little of it stands in memory at once.

UTF-8; a byte order mark at the beginning is left out, and `\\r\\n` or a lone `\\r` ends a line as `\\n` does.
Everything that a path and its bytes can do to a reader is a DataError of one sentence. Knows no format; foreign.py
knows those that are no text.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from ...errors import DataError
from ...plain import path_of
from ...storage.reading import Wording, decode_text, opened

LIMIT_BYTES = 1 << 30
"""Files above 1 GiB are refused: their rows must fit in memory."""


_WORDING = Wording(
    error=DataError,
    missing="there is no file {path}: check the path",
    irregular="{path} is not a regular file: write its contents to a file and name that",
    no_path="{path!r} holds a NUL, which no path may: name a data file",
    is_folder="{path!r} is a folder: name a file inside it",
    no_permission="{path} cannot be read, permission denied: change its permissions or copy it",
    refused="{path!r} cannot be read ({why}): check the path and the disk",
)


def read_lines(spec: str) -> Iterator[tuple[int, str]]:
    """(number from 1, text without its end) of each line of the file at `spec`. Raises DataError."""
    number = offset = 0
    with open_text_file(spec) as file:
        _check_size(spec, file)
        for raw in file:
            text = decode_text(raw, spec, DataError, offset=offset, n_lines=number)
            for line in _split(text):
                number += 1
                yield number, line
            offset += len(raw)


def read_text(spec: str) -> str:
    """The text of the file at `spec`, every line end a `\\n`. Raises DataError."""
    with open_text_file(spec) as file:
        _check_size(spec, file)
        raw = file.read()
    text = decode_text(raw, spec, DataError)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


@contextmanager
def open_text_file(spec: str) -> Iterator[IO[bytes]]:
    """The file at `spec`, a regular one of any size that by its ending and its first bytes may hold UTF-8 text.

    Raises DataError, naming what it is, for another.
    """
    with opened(path_of(spec), _WORDING, name=spec) as file:
        first = file.read(N_FIRST)
        if first and (found := foreign(spec, first)):
            raise DataError(f"{spec} is {found}")
        file.seek(0)
        yield file


def _check_size(spec: str, file: IO[bytes]) -> None:
    """Raises DataError unless there is something in it, and not more than LIMIT_BYTES."""
    size = os.fstat(file.fileno()).st_size
    if size > LIMIT_BYTES:
        raise DataError(f"{spec} has {size:,} bytes, more than the {LIMIT_BYTES:,} that are read: split it into parts")
    if size == 0:
        raise DataError(f"{spec} is empty: use a file with text in it")


def _split(text: str) -> list[str]:
    """The lines of a text that holds one `\\n` at most, at its end. (str.splitlines would cut at form feeds, too.)"""
    text = text.removesuffix("\n").removesuffix("\r")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if "\r" in text else [text]


N_FIRST = 8
"""Bytes at the beginning of a file that tell."""


class _Foreign(NamedTuple):
    what: str
    endings: str
    begins: tuple[bytes, ...]
    hint: str


_UTF8, _ROWS, _TEXT = "save it as UTF-8", "save it as .csv or .jsonl", "save its text as .txt"
_UNPACK, _OTHER = "unpack it and name the file inside", "name a file of text, JSON, JSON Lines or CSV"

_FOREIGN = (
    _Foreign("UTF-32", "", (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), _UTF8),  # before UTF-16, which begins like it
    _Foreign("UTF-16", "", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), _UTF8),
    _Foreign("a spreadsheet", ".xlsx .xlsm .xls .ods", (), _ROWS),
    _Foreign("a Parquet table", ".parquet", (b"PAR1\x15",), _ROWS),
    _Foreign("an Arrow table", ".arrow .feather", (b"ARROW1\0\0",), _ROWS),
    _Foreign("a database", ".sqlite .sqlite3 .db", (b"SQLite f",), _ROWS),
    _Foreign("NumPy arrays", ".npy .npz", (b"\x93NUMPY",), _ROWS),
    _Foreign("a PDF", ".pdf", (b"%PDF-",), _TEXT),
    _Foreign("a document of a word processor", ".docx .doc .odt .rtf", (b"{\\rtf", b"\xd0\xcf\x11\xe0"), _TEXT),
    _Foreign("packed by gzip", ".gz .tgz", (b"\x1f\x8b",), _UNPACK),
    _Foreign("packed by bzip2", ".bz2", (), _UNPACK),
    _Foreign("packed by xz", ".xz", (b"\xfd7zXZ\0",), _UNPACK),
    _Foreign("packed by zstd", ".zst", (b"\x28\xb5\x2f\xfd",), _UNPACK),
    _Foreign("an archive", ".zip .tar .7z .rar", (b"PK\x03\x04", b"7z\xbc\xaf", b"Rar!\x1a"), _UNPACK),
    _Foreign("a model or a pickle", ".safetensors .gguf .pt .pth .pkl .pickle", (b"\x80\x04", b"\x80\x05"), _OTHER),
    _Foreign("a picture", ".png .jpg .jpeg .gif .webp", (b"\x89PNG", b"\xff\xd8\xff"), _OTHER),
    _Foreign("sound or video", ".mp3 .wav .flac .ogg .mp4 .mkv", (), _OTHER),
)


def foreign(path: str, first: bytes) -> str:
    """What the file is and how to mend that, where it holds no text; "" where it may. first: its first N_FIRST bytes.

    The ending goes before the bytes, which an .xlsx shares with a .zip.
    """
    ending = Path(path).suffix.lower()
    for kind in _FOREIGN:
        if ending and ending in kind.endings.split():
            return f"{kind.what} (by its ending): {kind.hint}"
    for kind in _FOREIGN:
        if first.startswith(kind.begins):
            return f"{kind.what} (by its first bytes): {kind.hint}"
    return ""
