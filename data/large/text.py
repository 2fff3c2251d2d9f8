"""A text file larger than memory, in pieces that are tokenised as if they were one. Knows no tokenizer.

A piece ends where no tokenizer of ours has a token lie across, whatever stands around: between a letter or digit and
the white space after it, or between a single line end and the letter or digit after it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from io import TextIOWrapper

import regex

from ...errors import DataError
from ...plain import path_of
from ..files import text as reading
from ..files.formats import format_of

PIECE = 1 << 22
"""Characters read at a time."""
MAPPED_BYTES = 1 << 26
"""Above 64 MiB a text whose tokens are kept in a folder need not stand in memory, though it could."""
_LONGEST = 1 << 28
"""Characters without a place to cut: more must not stand in memory."""

_LAST_SEAM = regex.compile(r"(?r)(?<=[\p{L}\p{N}])(?=\s)|(?<=\S\n)(?=[\p{L}\p{N}])")


def is_large(spec: str, than: int | None = None) -> bool:
    """Whether `spec` is a plain text file of more than so many bytes; None: of more than are read into memory."""
    try:
        info = path_of(spec).stat()
    except (OSError, ValueError):
        return False
    return (
        stat.S_ISREG(info.st_mode)
        and info.st_size > (reading.LIMIT_BYTES if than is None else than)
        and format_of(spec) == "text"
    )


def read_pieces(spec: str, begin: int = 0, end: int | None = None, *, size: int = PIECE) -> Iterator[str]:
    """The characters `begin` to `end` of the file, in pieces of about `size`; they join to what `read_text` gives.

    Raises DataError for a file that cannot be read or is no text.
    """
    rest, place = "", 0  # place: how many characters were read before this chunk
    for chunk in _chunks(spec, size):
        rest += chunk[max(0, begin - place) : len(chunk) if end is None else max(0, end - place)]
        place += len(chunk)
        seam = _LAST_SEAM.search(rest, 1)
        if seam is not None:
            yield rest[: seam.start()]
            rest = rest[seam.start() :]
        elif len(rest) > _LONGEST:
            raise DataError(f"{spec} has {len(rest):,} characters without white space: break it into lines")
        if end is not None and place >= end:
            break
    if rest:
        yield rest


def _chunks(spec: str, size: int) -> Iterator[str]:
    """The text as it is read: without byte order mark, every line end a `\\n`."""
    place = 0
    try:
        with reading.open_text_file(spec) as raw, TextIOWrapper(raw, encoding="utf-8-sig", newline=None) as file:
            while chunk := file.read(size):
                if "\0" in chunk:
                    at = place + chunk.index("\0")
                    raise DataError(f"{spec} has a NUL at character {at}, so it is binary or UTF-16: save it as UTF-8")
                yield chunk
                place += len(chunk)
    except UnicodeDecodeError as failure:
        byte = failure.object[failure.start]
        raise DataError(
            f"{spec} is not UTF-8: byte 0x{byte:02x} among the {size:,} characters after character {place} begins no "
            "character; save the file as UTF-8"
        ) from None
