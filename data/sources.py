"""Rows from wherever data comes: a file of any format, or a corpus of the package."""

from __future__ import annotations

from dataclasses import replace

from ..errors import DataError
from .corpus import BUILTIN_PREFIX, choose_layout, hint_at_builtin, load_corpus
from .files.formats import check_options, find_problems, format_of, read_rows, rows_of
from .files.options import RowOptions
from .files.rows import Rows
from .files.text import read_text


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


def _with_layout(spec: str, options: RowOptions) -> RowOptions:
    hint_at_builtin(spec)
    if options.layout == "auto" and format_of(spec) == "text":
        return replace(options, layout=choose_layout(spec, read_text(spec)))
    return options
