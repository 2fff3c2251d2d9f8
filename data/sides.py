"""The two sides of a corpus, training and validation, whether their text stands in memory or not. Knows no tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, cast

from ..errors import ConfigError, DataError
from ..plain import path_of
from .corpus import Corpus, Documents, Layout, LayoutChoice, texts_of
from .large import text as large
from .large.text import is_large, read_pieces
from .load import choose_layout, guess_layout, load_corpus
from .split import Split, Style, check_fraction, split, stream_cut, style


class Reading(NamedTuple):
    """How a corpus is read and split."""

    layout: LayoutChoice
    text_field: str
    style_name: Style
    val_fraction: float


class Side(NamedTuple):
    """One side."""

    name: str
    """For messages."""
    layout: Layout
    documents: Documents | None
    """None: they are larger than memory."""
    texts: Callable[[], Iterable[str]]
    """All that is written in them; a text larger than memory is read anew at each call, in pieces."""
    sha256: Callable[[], str]
    """What no other text has."""


Sides = tuple[Corpus, Callable[[], Split], Side, Side]
"""Corpus, what gives the documents of both sides as long as memory may hold them, and each side by itself."""


def read_sides(spec: str, reading: Reading, cache: str | Path) -> Sides:
    """The sides of a corpus: in memory, or in pieces where a plain text is larger than that, or large and mapped.

    With a `cache` one stream of more than MAPPED_BYTES in classic style is mapped. Raises what both readers raise.
    """
    if is_large(spec) or _is_mapped(spec, reading, cache):
        return read_large(spec, reading, cache)
    return read_whole(spec, reading)


def _is_mapped(spec: str, reading: Reading, cache: str | Path) -> bool:
    if not cache or reading.style_name != "classic" or reading.text_field or not is_large(spec, large.MAPPED_BYTES):
        return False
    if reading.layout != "auto":
        return reading.layout == "stream"
    first = next(read_pieces(spec), "")  # what makes it a stream makes all of the text one
    return guess_layout(first) == "stream" and choose_layout(spec, first) == "stream"


def read_whole(spec: str, reading: Reading) -> Sides:
    """The sides of a corpus in memory. Raises what `load_corpus`, `split` and `style` raise."""
    corpus = load_corpus(spec, reading.layout, text_field=reading.text_field)
    sides = style(split(corpus, reading.val_fraction), reading.style_name)

    def side(name: str, documents: Documents) -> Side:
        return Side(
            f"the {name} text of {spec}",
            sides.layout,
            documents,
            lambda: texts_of(documents),
            lambda: _sha256(repr(document) for document in documents),
        )

    return corpus, lambda: sides, side("training", sides.train), side("validation", sides.val)


def read_large(spec: str, reading: Reading, cache: str | Path) -> Sides:
    """The sides of a plain text file that is never in memory as a whole: it is read once here, to count, and once for
    each use. They are those that `read_whole` would give.

    Raises DataError if it is no text, or there is no cache for its tokens; ConfigError for other layouts and styles.
    """
    n_bytes = path_of(spec).stat().st_size
    if not cache:
        raise DataError(
            f"{spec} has {n_bytes:,} bytes, more than are read into memory: "
            "name a folder where its tokens may be kept (--set data.cache=DIR), or train on a part of it"
        )
    if reading.layout not in ("auto", "stream") or reading.style_name != "classic" or reading.text_field:
        raise ConfigError(
            f"{spec} is larger than memory: it can only be one text, with style='classic'",
            settings=(("style", "classic"),),
        )
    check_fraction(reading.val_fraction)
    n_chars, sha256 = 0, hashlib.sha256()
    for piece in read_pieces(spec):
        n_chars += len(piece)
        sha256.update(piece.encode())
    cut = stream_cut(n_chars, reading.val_fraction)

    def side(name: str, begin: int, end: int) -> Side:
        text = f"{sha256.hexdigest()}[{begin}:{end}]"
        return Side(f"the {name} text of {spec}", "stream", None, lambda: read_pieces(spec, begin, end), lambda: text)

    corpus = Corpus(Path(spec).stem, "stream", (), spec, n_bytes)

    def sides() -> Split:
        if is_large(spec):
            return Split("stream", (), ())
        return split(load_corpus(spec, "stream"), reading.val_fraction)

    return corpus, sides, side("training", 0, cut), side("validation", cut, n_chars)


def count_copies(train: Side, val: Side) -> int:
    """How many documents or conversations of the validation side stand in the training side, too."""
    if train.layout == "stream":
        return 0
    learned = set(cast("Documents", train.documents))
    return sum(document in learned for document in cast("Documents", val.documents))


def _sha256(texts: Iterable[str]) -> str:
    sha256 = hashlib.sha256()
    for text in texts:
        sha256.update(text.encode())
    return sha256.hexdigest()
