"""CSV: cells by commas, rows by line ends, either of them inside quotes when they belong to the text. RFC 4180.

Not Python's csv module: that takes cells of 131,072 characters at most (a limit of the whole process), keeps a stray
quote as if it were text, and cannot say at which line a quote was opened. Knows no texts and no conversations.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from ...errors import DataError, NanochatWarning
from .options import RowOptions
from .rows import BLANK, DEFAULT_FIELD, Complain, Row, find_column

_DELIMITERS = {";": "a semicolon", "\t": "a tab", "|": "a bar", ",": "a comma"}
_N_FIRST = 10
"""Lines that tell whether the delimiter is another one than that of the ending."""


def csv_rows(spec: str, lines: Iterable[tuple[int, str]], options: RowOptions, complain: Complain) -> Iterator[Row]:
    """The rows of a `.csv` file: {column: cell}, or the cell alone where there is one column without a name.

    Columns are called as the header says, or by number from 1. A blank line is a row BLANK. Warns where the only cell
    of the first row is taken for a row since nothing says that it is a name.
    """
    delimiter = options.delimiter
    if not delimiter:
        delimiter = delimiter_of(spec)
        lines = iter(lines)
        first = list(islice(lines, _N_FIRST))
        _check_delimiter(spec, first, delimiter, options.text_field or DEFAULT_FIELD)
        lines = chain(first, lines)
    names: list[str] = []
    named = False
    for line, cells in parse_csv(spec, lines, delimiter):
        if not cells:
            yield Row(spec, line, 0, BLANK)
            continue
        if not names:
            named = _has_header(cells, f"{spec}, line {line}", options)
            names = _header(cells, f"{spec}, line {line}") if named else [str(i + 1) for i in range(len(cells))]
            if named:
                continue
        if len(cells) == len(names):
            bare = len(names) == 1 and not named
            yield Row(spec, line, 0, cells[0] if bare else dict(zip(names, cells, strict=True)))
        else:
            n_cells = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
            hint = "put a text that holds the delimiter in quotes"
            complain(DataError(f"{spec}, line {line}: {n_cells} where the first row has {len(names)}: {hint}"))


def delimiter_of(path: str) -> str:
    """What the ending of `path` says."""
    return "\t" if path.lower().endswith(".tsv") else ","


def parse_csv(spec: str, lines: Iterable[tuple[int, str]], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line where it begins, cells) of each record, no cells for a blank line. Raises DataError at a stray quote."""
    begin, cells, cell = 0, list[str](), _QuotedCell()
    for number, line in lines:
        at = 0
        if not cell.is_open:
            begin, cells = number, []
            if '"' not in line:
                yield number, line.split(delimiter) if line else []
                continue
        while at <= len(line):
            if not cell.is_open and not line.startswith('"', at):
                end = line.find(delimiter, at) % (len(line) + 1)  # -1, not found, is the end of the line
                cells.append(line[at:end])
                if '"' in cells[-1]:
                    raise _stray(spec, number, line.index('"', at) + 1, "stands in the middle of a cell")
                at = end + 1
                continue
            at = cell.read(line, at, number)
            if not cell.is_open:
                cells.append(cell.content)
                if at < len(line) and not line.startswith(delimiter, at):
                    raise _stray(spec, number, at, f"is followed by {line[at]!r}, neither a delimiter nor a line end")
                at += 1
        if not cell.is_open:
            yield begin, cells
    if cell.is_open:
        hint = "close it, or restore the file if it was cut off"
        raise DataError(f"{spec}, line {cell.line}: a quote is opened and never closed: {hint}")


def _check_delimiter(spec: str, lines: list[tuple[int, str]], delimiter: str, column: str) -> None:
    """Raises DataError where the first line has no `delimiter`, but another one that makes cells of these lines.

    It stands around the name of the text's column, or in every line, outside quotes, as often as in the first.
    """
    filled = [(number, line) for number, line in lines if line.strip()]
    bare = [re.sub(r'"[^"]*"', "", line) for _, line in filled]
    if not bare or delimiter in bare[0]:
        return
    number, first = filled[0]
    for other, name in _DELIMITERS.items():
        is_named = other in first and find_column(column, [cell.strip('"') for cell in first.split(other)])
        counts = {line.count(other) for line in bare}
        if is_named or (other != "," and len(bare) > 1 and len(counts) == 1 and 0 not in counts):
            mending = "name the file .tsv" if other == "\t" else f"read it with delimiter={other!r}"
            raise DataError(
                f"{spec}, line {number}: {name} stands between cells where {_DELIMITERS[delimiter]} is due: {mending}, "
                "or put texts that hold one in quotes",
                settings=(("delimiter", other),),
            )


class _QuotedCell:
    """A cell in quotes, which may go on over line ends; two quotes inside it are one of its text."""

    def __init__(self) -> None:
        self.is_open = False
        self.line = 0
        self._parts: list[str] = []

    @property
    def content(self) -> str:
        return "".join(self._parts)

    def read(self, line: str, at: int, number: int) -> int:
        """Read from `at`, the opening quote if none is open; the position after the closing quote or the line end."""
        if not self.is_open:
            self.is_open, self.line, self._parts, at = True, number, [], at + 1
        while (end := line.find('"', at)) >= 0:
            self._parts.append(line[at:end])
            at = end + 1
            if not line.startswith('"', at):
                self.is_open = False
                return at
            self._parts.append('"')
            at += 1
        self._parts.append(line[at:] + "\n")
        return len(line) + 1


def _stray(spec: str, line: int, column: int, what: str) -> DataError:
    hint = "put the whole cell in quotes and double those inside it"
    return DataError(f"{spec}, line {line}, column {column}: a quote {what}: {hint}")


def _has_header(first: list[str], where: str, options: RowOptions) -> bool:
    """Whether the first row names the columns. Raises DataError where the file alone does not tell."""
    wanted = options.text_field
    if options.header == "no" and wanted and not wanted.isdecimal():
        raise DataError(f"{where}: no header, so there is no column {wanted!r}: give its number, 1 to {len(first)}")
    if options.header != "auto":
        return options.header == "yes"
    if find_column(wanted or DEFAULT_FIELD, first) is not None:
        return True
    if wanted.isdecimal() and len(first) > 1:
        raise DataError(
            f"{where}: whether these are names or a row is not told: read it with header='yes', or with header='no'",
            settings=(("header", "yes"), ("header", "no")),
        )
    if wanted and not wanted.isdecimal():
        raise DataError(f"{where}: no column is called {wanted!r}: choose one of {_list(first)}, or another delimiter")
    if len(first) > 1:
        raise DataError(
            f"{where}: {len(first)} columns and none is called {DEFAULT_FIELD!r}: name the one to read "
            f"with text_field=NAME ({_list(first)}), or by its number with header='no' where this is a row of texts, "
            "and put texts that hold a comma in quotes",
            settings=(("text_field", "NAME"), ("header", "no")),
        )
    warnings.warn(
        NanochatWarning(
            f"{where}: {first[0]:.40} is read as a row, not as the name of the column: header='yes' reads it as a name",
            settings=(("header", "yes"),),
        ),
        stacklevel=2,
    )
    return False


def _header(names: list[str], where: str) -> list[str]:
    """The names, if they tell the columns apart; those without one, such as pandas' index, get one here."""
    names = [name if name.strip() else f"unnamed {i}" for i, name in enumerate(names, start=1)]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{where}: two columns are called {name[:40]!r}: give each its own name")
    return names


def _list(names: list[str]) -> str:
    shown = ", ".join(repr(name[:30]) for name in names[:8])
    return shown if len(names) <= 8 else f"{shown}, ... ({len(names)} in all)"
