"""Data files to rows: plain text, JSON, JSON Lines and CSV, each row a text or a conversation.

    text     one document a line, or one as a whole        json    an array of rows
    csv      a column of texts, with or without a header   jsonl   a row a line
    a row    "a text"   {"text": "a text"}   {"messages": [{"role": "user", "content": "..."}, ...]}   [{"role": ...}]
             or a conversation as a string:  "User: a question Assistant: an answer </s>"

The first bad row is an error with file, line and field: nothing is guessed and nothing left out in silence. reading.py
reads the file, json_rows.py and csv_rows.py cut it into rows, row_content.py finds the text, rows.py keeps and counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from ...errors import ConfigError, DataError
from ..chat import Conversation
from .content import ContentReader
from .csv_rows import csv_rows
from .json_rows import json_rows, jsonl_rows
from .rows import BLANK, Complain, Content, Format, Row, RowFilter, RowOptions, Rows
from .text import read_lines, read_text

ENDINGS: dict[str, Format] = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv"}
"""Everything else is plain text."""
_NAMES: dict[Format, str] = {"text": "text", "json": "JSON", "jsonl": "JSON Lines", "csv": "CSV"}


def format_of(path: str | Path) -> Format:
    """The format that the ending of `path` names."""
    return ENDINGS.get(Path(path).suffix.lower(), "text")


def read_rows(path: str | Path, options: RowOptions = RowOptions()) -> Rows:  # noqa: B008 (frozen)
    """The rows of the file at `path`, read as `options` say.

    Raises DataError at the first row that is none, with file, line and field, or if no row is left; ConfigError for
    options that the format does not have.
    """
    return _read(str(path), options, _raise)


def find_problems(path: str | Path, options: RowOptions = RowOptions(), *, limit: int = 20) -> list[DataError]:  # noqa: B008
    """What `read_rows` would say of each bad row, up to `limit`, in the order of the file; [] if all are good."""
    problems: list[DataError] = []

    def complain(failure: DataError) -> None:
        problems.append(failure)
        if len(problems) >= limit:
            raise _Enough

    try:
        _read(str(path), options, complain)
    except _Enough:
        pass
    except DataError as failure:  # one that ends the reading; that nothing is left is no news after the others
        if not problems or not isinstance(failure, _NothingLeft):
            problems.append(failure)
    return problems


def rows_of(contents: Iterable[Content], origin: str, options: RowOptions = RowOptions()) -> Rows:  # noqa: B008
    """Texts or conversations that are in memory already, kept and counted like the rows of a file."""
    row_filter = RowFilter(options, _raise)
    documents: list[str] = []
    conversations: list[Conversation] = []
    for number, content in enumerate(contents, start=1):
        kept = row_filter.take(content, Row(origin, 0, number, content))
        if isinstance(kept, str):
            documents.append(kept)
        elif kept is not None:
            conversations.append(kept)
    return Rows(tuple(documents), tuple(conversations), row_filter.counts(0), origin, "text")


def check_options(spec: str, options: RowOptions, format: Format) -> None:
    """Raises ConfigError for options that would have no effect on `spec`, which is of `format`."""
    if options.layout == "stream" and format != "text":
        raise ConfigError(
            f"layout='stream' is for plain text, and {spec} holds rows: choose documents or chat",
            settings=(("layout", "stream"),),
        )
    if format != "csv" and (options.header != "auto" or options.delimiter):
        given = f"delimiter={options.delimiter!r}" if options.delimiter else f"header={options.header!r}"
        raise ConfigError(
            f"{given} is for CSV, and {spec} is {_NAMES[format]}: leave it out",
            settings=(("delimiter", options.delimiter), ("header", options.header)),
        )
    if format == "text" and options.text_field:
        raise ConfigError(
            f"text_field={options.text_field!r} is for JSON and CSV, and {spec} is text: leave it out",
            settings=(("text_field", options.text_field),),
        )


class _Enough(Exception):
    """No error: the list is full."""


class _NothingLeft(DataError):
    """After all rows, so that others may have been reported."""


def _raise(failure: DataError) -> NoReturn:
    raise failure


def _read(spec: str, options: RowOptions, complain: Complain) -> Rows:
    format = format_of(spec)
    check_options(spec, options, format)
    row_filter, n_blank = RowFilter(options, complain), 0
    documents: list[str] = []
    conversations: list[Conversation] = []
    reader: ContentReader | None = None
    for row in _rows(spec, format, options, complain):
        if row.value is BLANK:
            n_blank += 1
            continue
        try:
            reader = reader or ContentReader.from_first(row, options, format)
            content = reader.read(row)
        except DataError as failure:
            if reader is None:  # how to read the others is not known
                raise
            row_filter.n_rows += 1
            complain(failure)
            continue
        kept = row_filter.take(content, row)
        if isinstance(kept, str):
            documents.append(kept)
        elif kept is not None:
            conversations.append(kept)
    if not documents and not conversations:
        what = f"none of its {row_filter.n_rows} rows is left" if row_filter.n_rows else "it holds no rows"
        raise _NothingLeft(f"{spec}: {what}: use a file with texts in it")
    fields = (reader.text_field or "", tuple(sorted(reader.unused - {reader.text_field}))) if reader else ("", ())
    return Rows(tuple(documents), tuple(conversations), row_filter.counts(n_blank), spec, format, *fields)


def _rows(spec: str, format: Format, options: RowOptions, complain: Complain) -> Iterator[Row]:
    if format == "json":
        return json_rows(spec)
    if format == "jsonl":
        return jsonl_rows(spec, read_lines(spec), complain)
    if format == "csv":
        return csv_rows(spec, read_lines(spec), options, complain)
    if options.layout == "stream":
        text = read_text(spec)
        return iter([Row(spec, 1, 0, text if text.strip() else BLANK)])
    return (Row(spec, number, 0, line.strip() or BLANK) for number, line in read_lines(spec))
