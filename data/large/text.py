"""A text file larger than memory, in pieces that are tokenised as if they were one. Knows no tokenizer.

A piece ends where no tokenizer of ours has a token lie across, whatever stands around: between a letter or digit and
the white space after it, or between a single line end and the letter or digit after it.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

import regex

from ...errors import ConfigError, DataError
from ...plain import path_of
from ..config import DataConfig
from ..corpus import Corpus, Documents, Layout
from ..files import text as reading
from ..files.formats import format_of
from ..load import choose_layout, guess_layout
from ..split import check_fraction, stream_cut

PIECE = 1 << 22
"""Characters read at a time."""
MAPPED_BYTES = 1 << 26
"""Above 64 MiB a text whose tokens are kept in a folder need not stand in memory, though it could."""
_LONGEST = 1 << 28
"""Characters without a place to cut: more must not stand in memory."""

_LAST_SEAM = regex.compile(r"(?r)(?<=[\p{L}\p{N}])(?=\s)|(?<=\S\n)(?=[\p{L}\p{N}])")


@dataclass(frozen=True)
class Mapped:
    """One side of a file that is never in memory as a whole: its characters `begin` to `end`."""

    name: str
    spec: str
    begin: int
    end: int
    file_sha256: str
    """Of all of the text, as UTF-8."""
    layout: Layout = "stream"
    documents: Documents = ()

    @property
    def n_chars(self) -> int:
        """Of its text."""
        return self.end - self.begin

    def texts(self) -> Iterator[str]:
        """Its pieces; the file is read anew at each call."""
        return read_pieces(self.spec, self.begin, self.end)

    def sha256(self) -> str:
        """Of the file, with the place in it."""
        return f"{self.file_sha256}[{self.begin}:{self.end}]"


def is_mapped(config: DataConfig) -> bool:
    """Whether the text is larger than memory, or one stream of more than MAPPED_BYTES whose tokens a cache can keep."""
    if is_large(config.source):
        return True
    if not config.cache or config.style != "classic" or config.text_field or not is_large(config.source, MAPPED_BYTES):
        return False
    if config.layout != "auto":
        return config.layout == "stream"
    first = next(read_pieces(config.source), "")  # what makes it a stream makes all of the text one
    return guess_layout(first) == "stream" and choose_layout(config.source, first) == "stream"


def read_mapped(config: DataConfig) -> tuple[Corpus, Mapped, Mapped]:
    """Corpus, training and validation side of a plain text: it is read once here, to count, and once for each use.

    The sides are those that it has in memory. Raises DataError if it is no text, or there is no cache for its tokens;
    ConfigError for other layouts and styles.
    """
    spec, n_bytes = config.source, path_of(config.source).stat().st_size
    if not config.cache:
        raise DataError(
            f"{spec} has {n_bytes:,} bytes, more than are read into memory: "
            "name a folder where its tokens may be kept (--set data.cache=DIR), or train on a part of it"
        )
    if config.layout not in ("auto", "stream") or config.style != "classic" or config.text_field:
        raise ConfigError(
            f"{spec} is larger than memory: it can only be one text, with style='classic'",
            settings=(("style", "classic"),),
        )
    check_fraction(config.val_fraction)
    n_chars, sha256 = 0, hashlib.sha256()
    for piece in read_pieces(spec):
        n_chars += len(piece)
        sha256.update(piece.encode())
    cut = stream_cut(n_chars, config.val_fraction)
    train = Mapped(f"the training text of {spec}", spec, 0, cut, sha256.hexdigest())
    val = Mapped(f"the validation text of {spec}", spec, cut, n_chars, sha256.hexdigest())
    return Corpus(Path(spec).stem, "stream", (), spec, n_bytes), train, val


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
    return cut_at_seams(_part(_chunks(spec, size), begin, end), spec)


def cut_at_seams(chunks: Iterable[str], spec: str = "") -> Iterator[str]:
    """The same text in pieces that are tokenised as if they were one.

    Raises DataError for a file `spec`, "" if it is in memory, that has no place to cut.
    """
    rest = ""
    for chunk in chunks:
        rest += chunk
        seam = _LAST_SEAM.search(rest, 1)
        if seam is not None:
            yield rest[: seam.start()]
            rest = rest[seam.start() :]
        elif spec and len(rest) > _LONGEST:
            raise DataError(f"{spec} has {len(rest):,} characters without white space: break it into lines")
    if rest:
        yield rest


def _part(chunks: Iterable[str], begin: int, end: int | None) -> Iterator[str]:
    """The characters `begin` to `end` of the text."""
    place = 0  # how many characters were read before this chunk
    for chunk in chunks:
        yield chunk[max(0, begin - place) : len(chunk) if end is None else max(0, end - place)]
        place += len(chunk)
        if end is not None and place >= end:
            return


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
