"""Files that hold no UTF-8 text, known by name: by the ending of the path, or by their first bytes. Reads no file.

Other binary files give themselves away to reading.py, by a NUL or by bytes that are not UTF-8.
"""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import NamedTuple

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
