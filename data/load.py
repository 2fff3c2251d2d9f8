"""From the name of a corpus, a path or `builtin:NAME`, to its rows or its text. Knows no tokens.

A corpus is checked when it is loaded: what cannot be trained on is refused here, in one sentence that names the file.
"""

from __future__ import annotations

import difflib
import re
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..errors import ConfigError, DataError, NanochatWarning
from ..plain import path_of
from .builtin import BUILTINS, read_builtin
from .chat import from_text
from .corpus import BUILTIN_PREFIX, Corpus, Layout, LayoutChoice
from .files.content import located, looks_like_chat
from .files.formats import check_options, find_problems, format_of, read_rows, rows_of
from .files.rows import RowOptions, Rows
from .files.text import read_text

_MIN_LINES = 20
_MAX_LINE = 64
_END = " </s>"


def load_corpus(spec: str, layout: LayoutChoice = "auto", *, text_field: str = "") -> Corpus:
    """The corpus that `spec` names: the path of a file, or `builtin:NAME`.

    layout      stream: one text.  documents: one a line, or one a row of JSON, JSON Lines or CSV.  chat: conversations,
                one a row or a line. auto: what the rows of a data file are; a plain text is documents if it has at
                least 20 lines, none of them longer than 64 characters and none of them blank, otherwise a stream; a
                built-in corpus has its own.
    text_field  the field of JSON objects or the column of a CSV that holds the text; "" if that is clear.

    Raises ConfigError for an unknown built-in name or layout, DataError for a file that cannot be read or is no text,
    and for a corpus too small to learn from (fewer than two characters, or fewer than two documents).
    """
    if layout not in ("auto", "stream", "documents", "chat"):
        raise ConfigError(
            f"layout={layout!r} is unknown: choose auto, stream, documents or chat", settings=(("layout", layout),)
        )
    if spec.startswith(BUILTIN_PREFIX):
        if text_field:
            raise ConfigError(
                f"text_field={text_field!r} is for JSON and CSV, and {spec} is text: leave it out",
                settings=(("text_field", text_field),),
            )
        name, origin, text = _read_builtin(spec)
        chosen = BUILTINS[name].layout if layout == "auto" else layout
    elif layout == "chat" or format_of(spec) != "text" or text_field:
        return _load_rows(spec, RowOptions(layout=layout, text_field=text_field))
    else:
        hint_at_builtin(spec)
        name, origin, text = Path(spec).stem, spec, read_text(spec)
        chosen = choose_layout(spec, text) if layout == "auto" else layout
    if len(text.strip()) < 2:
        raise DataError(f"{spec} holds fewer than two characters, so nothing follows anything: use a longer text")
    lines = (text,) if chosen == "stream" else tuple(line for raw in text.split("\n") if (line := raw.strip()))
    if chosen != "chat":
        return _checked(Corpus(name, chosen, lines, origin), spec)
    conversations = tuple(
        located(f"{spec}, line {i}", partial(from_text, line)) for i, line in enumerate(lines, start=1)
    )
    return _checked(Corpus(name, chosen, conversations, origin), spec)


def read_source(spec: str, options: RowOptions = RowOptions()) -> Rows:  # noqa: B008 (frozen)
    """The rows of `spec`, a path or `builtin:NAME`. What a plain text in layout auto is, `choose_layout` decides.

    Raises as `read_rows` does; ConfigError for an unknown built-in name.
    """
    if spec.startswith(BUILTIN_PREFIX):
        check_options(spec, options, "text")
        return rows_of(load_corpus(spec, options.layout).documents, spec, options)
    return read_rows(spec, _with_layout(spec, options))


def find_source_problems(spec: str, options: RowOptions = RowOptions(), *, limit: int = 20) -> list[DataError]:  # noqa: B008
    """What is wrong with the rows of `spec`, as `find_problems` says it; a built-in corpus has nothing wrong."""
    if spec.startswith(BUILTIN_PREFIX):
        read_source(spec, options)
        return []
    try:
        options = _with_layout(spec, options)
    except DataError as failure:
        return [failure]
    return find_problems(spec, options, limit=limit)


def is_in_words(spec: str, layout: str = "auto") -> bool:
    """Whether `spec` is by its name a corpus of sentences to be known word for word: rows, conversations, facts.

    A file is not opened: the ending of its name tells JSON, JSON Lines and CSV.
    """
    if spec.startswith(BUILTIN_PREFIX):
        name = spec.removeprefix(BUILTIN_PREFIX)
        return name in BUILTINS and BUILTINS[name].in_words
    return layout == "chat" or format_of(spec) != "text"


def choose_layout(spec: str, text: str) -> Layout:
    """`guess_layout` for the text of a file; warns where it looks like conversations, which a plain text never is."""
    if looks_like_chat(text):
        hint = "choose layout='chat' to learn to answer"
        remark = f"{spec} looks like conversations and is read as text: {hint}"
        warnings.warn(NanochatWarning(remark, settings=(("layout", "chat"),)), stacklevel=3)
    return guess_layout(text)


def guess_layout(text: str) -> Layout:
    """The rule of `auto`: at least 20 lines, none over 64 characters, none blank except at the ends -> documents."""
    inner = text.strip()
    if inner.count("\n") + 1 < _MIN_LINES:
        return "stream"
    too_long_or_blank = re.search(rf"[^\n]{{{_MAX_LINE + 1}}}|\n[^\S\n]*\n", inner)
    return "stream" if too_long_or_blank else "documents"


def _with_layout(spec: str, options: RowOptions) -> RowOptions:
    hint_at_builtin(spec)
    if options.layout == "auto" and format_of(spec) == "text":
        return replace(options, layout=choose_layout(spec, read_text(spec)))
    return options


def _read_builtin(spec: str) -> tuple[str, str, str]:
    name = spec.removeprefix(BUILTIN_PREFIX)
    if name not in BUILTINS:
        near = difflib.get_close_matches(name, BUILTINS, n=1, cutoff=0.4)
        hint = f"did you mean {BUILTIN_PREFIX}{near[0]}?" if near else f"choose one of {', '.join(BUILTINS)}"
        raise ConfigError(f"there is no built-in corpus {name!r}: {hint}")
    return name, BUILTINS[name].origin, read_builtin(name)


def _load_rows(spec: str, options: RowOptions) -> Corpus:
    hint_at_builtin(spec)
    rows, name = read_rows(spec, options), Path(spec).stem
    if rows.unused_fields and not options.text_field:
        unread = ", ".join(name or "''" for name in rows.unused_fields[:8])
        text = f"{spec}: {rows.text_field} is read of each row, and not {unread}"
        warnings.warn(text, NanochatWarning, stacklevel=3)
    if rows.is_chat:
        return _checked(Corpus(name, "chat", rows.conversations, spec), spec)
    documents = tuple(document.removesuffix(_END) for document in rows.documents)
    return _checked(Corpus(name, "documents", documents, spec), spec)


def _checked(corpus: Corpus, spec: str) -> Corpus:
    if corpus.layout != "stream" and len(corpus.documents) < 2:
        what = "document" if corpus.layout == "documents" else "conversation"
        where = "line" if format_of(spec) == "text" else "row"
        or_stream = ", or choose layout='stream'" if (what, where) == ("document", "line") else ""
        raise DataError(
            f"{spec} holds one {what}, too few to split into training and validation: "
            f"put one {what} on each {where}{or_stream}",
            settings=(("layout", "stream"),),
        )
    return corpus


def hint_at_builtin(spec: str) -> None:
    """Raises DataError for the bare name of a built-in corpus where no file is called that."""
    if spec in BUILTINS and not path_of(spec).exists():
        raise DataError(f"there is no file {spec}: did you mean {BUILTIN_PREFIX}{spec}?")
