"""Text from a file or from the package, as one stream or as documents. Knows no tokens.

A corpus is checked when it is loaded: what cannot be trained on is refused here, in one sentence that names the file.
"""

from __future__ import annotations

import difflib
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import ConfigError, DataError
from .builtin import BUILTINS, read_builtin

Layout = Literal["stream", "documents"]
LayoutChoice = Literal["auto", "stream", "documents"]

BUILTIN_PREFIX = "builtin:"
LIMIT_BYTES = 1 << 30
"""Files above 1 GiB are refused: text, its characters as ids and a copy of each must fit in memory."""

_MIN_LINES = 20
_MAX_LINE = 64
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Corpus:
    """What there is to learn from. Line ends are `\\n`; a byte order mark is gone."""

    name: str
    layout: Layout
    documents: tuple[str, ...]
    """A stream has exactly one: the whole text, unchanged. Documents are the lines, blank ones left out, without
    the white space around them."""
    origin: str
    """Where the text comes from: the path as given, or the source of a built-in corpus."""

    @property
    def n_bytes(self) -> int:
        """Bytes of UTF-8 of the documents."""
        return sum(len(document.encode("utf-8")) for document in self.documents)


def load_corpus(spec: str, layout: LayoutChoice = "auto") -> Corpus:
    """The corpus that `spec` names: the path of a UTF-8 text file, or `builtin:NAME`.

    layout   stream: one text.  documents: one a line.  auto: documents if the file has at least 20 lines, none of
             them longer than 64 characters and none of them blank, otherwise a stream; a built-in corpus has its own.

    Raises ConfigError for an unknown built-in name or layout, DataError for a file that cannot be read or is no text,
    and for a corpus too small to learn from (fewer than two characters, or fewer than two documents).
    """
    if layout not in ("auto", "stream", "documents"):
        raise ConfigError(f"layout={layout!r} is unknown: choose auto, stream or documents")
    if spec.startswith(BUILTIN_PREFIX):
        name, origin, text = _read_builtin(spec)
        chosen = BUILTINS[name].layout if layout == "auto" else layout
    else:
        name, origin, text = Path(spec).stem, spec, _read_file(spec)
        chosen = guess_layout(text) if layout == "auto" else layout
    if len(text.strip()) < 2:
        raise DataError(f"{spec} holds fewer than two characters, so nothing follows anything: use a longer text")
    documents = (text,) if chosen == "stream" else tuple(line for raw in text.split("\n") if (line := raw.strip()))
    if chosen == "documents" and len(documents) < 2:
        raise DataError(
            f"{spec} holds one document, too few to split into training and validation: "
            "put one document on each line, or choose layout stream"
        )
    return Corpus(name, chosen, documents, origin)


def guess_layout(text: str) -> Layout:
    """The rule of `auto`: at least 20 lines, none over 64 characters, none blank except at the ends -> documents."""
    inner = text.strip()
    if inner.count("\n") + 1 < _MIN_LINES:
        return "stream"
    too_long_or_blank = re.search(rf"[^\n]{{{_MAX_LINE + 1}}}|\n[^\S\n]*\n", inner)
    return "stream" if too_long_or_blank else "documents"


def _read_builtin(spec: str) -> tuple[str, str, str]:
    name = spec.removeprefix(BUILTIN_PREFIX)
    if name not in BUILTINS:
        near = difflib.get_close_matches(name, BUILTINS, n=1, cutoff=0.4)
        hint = f"did you mean {BUILTIN_PREFIX}{near[0]}?" if near else f"choose one of {', '.join(BUILTINS)}"
        raise ConfigError(f"there is no built-in corpus {name!r}: {hint}")
    return name, BUILTINS[name].origin, _normalise(read_builtin(name))


def _read_file(spec: str) -> str:
    """The text of the file. Raises DataError for everything that a path and its bytes can do to a reader."""
    if "\0" in spec:
        raise DataError(f"{spec!r} holds a NUL, which no path may: name a text file")
    path = Path(spec)
    try:
        info = path.stat()
        if stat.S_ISDIR(info.st_mode):
            raise DataError(f"{spec!r} is a folder: name a text file inside it")
        if not stat.S_ISREG(info.st_mode):  # a pipe or a device may never end
            raise DataError(f"{spec} is not a regular file: write its contents to a file and name that")
        if info.st_size > LIMIT_BYTES:
            raise DataError(
                f"{spec} has {info.st_size:,} bytes, more than the {LIMIT_BYTES:,} (1 GiB) that are read into memory: "
                "train on a part of it"
            )
        raw = path.read_bytes()
    except FileNotFoundError:
        hint = f"did you mean {BUILTIN_PREFIX}{spec}?" if spec in BUILTINS else "check the path"
        raise DataError(f"there is no file {spec}: {hint}") from None
    except PermissionError:
        raise DataError(f"{spec} cannot be read, permission denied: change its permissions or copy it") from None
    except OSError as failure:
        raise DataError(f"{spec!r} cannot be read ({failure.strerror}): check the path and the disk") from None
    return _decode(raw, spec)


def _decode(raw: bytes, spec: str) -> str:
    """UTF-8 to text with `\\n` line ends. Raises DataError with the place of the first byte that is no text."""
    if not raw:
        raise DataError(f"{spec} is empty: use a file with text in it")
    if raw.startswith(_UTF16_MARKS):
        raise DataError(f"{spec} is UTF-16 (by its first two bytes): save it as UTF-8")
    zero = raw.find(b"\0")
    if zero >= 0:
        raise DataError(f"{spec} has a NUL at byte {zero}, so it is binary or UTF-16: use a text file saved as UTF-8")
    try:
        return _normalise(raw.decode("utf-8"))
    except UnicodeDecodeError as failure:
        line = raw.count(b"\n", 0, failure.start) + 1
        raise DataError(
            f"{spec} is not UTF-8: byte 0x{raw[failure.start]:02x} at byte offset {failure.start}, line {line}, "
            "begins no character; save the file as UTF-8"
        ) from None


def _normalise(text: str) -> str:
    """Without byte order mark, and with `\\n` for `\\r\\n` and for a lone `\\r`, as Python reads text files."""
    text = text.removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
