"""The two ways out of the program and the two ways to stop it: results to stdout, the rest to stderr, signals."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..plain import json_text, terminal
from .streams import discard

_WIDE = 10_000
"""Columns of a table that goes to a file or a pipe: nothing is wrapped there."""


class Remarks(Console):
    """Progress and remarks on stderr; knows NO_COLOR and whether it is a terminal."""

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False, width=_columns(), color_system=_colors())

    def say(self, text: str) -> None:
        """A line or several, neither wrapped nor read as markup."""
        self.print(terminal(text), markup=False, soft_wrap=True)


class _Results(Console):
    def on_broken_pipe(self) -> None:
        """Raises the BrokenPipeError on, where Rich would leave with code 1."""
        raise  # noqa: PLE0704 (called while it is handled)


def say(text: str) -> None:
    """One remark on stderr."""
    Remarks().say(text)


def print_result(text: str) -> None:
    """A line or several of results on stdout."""
    write_result(text + "\n")


def write_result(piece: str) -> None:
    """A piece of a text on stdout: inert on a terminal; a file or another program gets it as it is."""
    sys.stdout.write(terminal(piece) if sys.stdout.isatty() else piece)


def print_json(content: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"))


def print_table(rows: list[dict[str, Any]], *, title: str = "", right: tuple[str, ...] = ()) -> None:
    """A table on stdout, one column a key; what stands in it has no power over the terminal, nor over the table."""
    shown = _inert(title) if title else None
    table = Table(title=shown, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for key in rows[0]:
        table.add_column(_inert(key.replace("_", " ")), justify="right" if key in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_inert(_cell(row.get("field", key), value)) for key, value in row.items()))
    results().print(table)


def results(*, plain: bool = False) -> Console:
    """Stdout for what is drawn: as wide as the terminal, and nothing is wrapped elsewhere; plain: words alone."""
    width = _columns() if sys.stdout.isatty() else _WIDE
    return _Results(highlight=False, width=width, color_system=None if plain else _colors())


def _colors() -> Literal["auto"] | None:
    """None where NO_COLOR is set: Rich alone would still print bold."""
    return None if os.environ.get("NO_COLOR") else "auto"


def _inert(text: str) -> Text:
    return Text(terminal(text, keep=""))


def _columns() -> int | None:
    """80 where COLUMNS is 0, a width at which Rich writes nothing at all; else None: what Rich finds out."""
    columns = os.environ.get("COLUMNS", "")
    return 80 if columns.isdecimal() and int(columns) == 0 else None


def _cell(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if 0 < abs(value) < 1e-3 or abs(value) >= 1e9:
            return f"{value:g}"
        return f"{value:.4f}" if abs(value) < 100 else f"{value:,.0f}"
    if type(value) is int and key != "seed":
        return f"{value:,}"
    return "" if value is None else str(value)


class StopSignals:
    """The first Ctrl-C, SIGTERM or SIGHUP asks to stop after the step; the second leaves at once.

    Until somebody looks for the first time, before the first step, there is nothing to save: the first leaves, too.
    """

    def __init__(self) -> None:
        self.received = 0
        self.looked_at = False

    def __call__(self) -> bool:
        """Whether somebody asked."""
        self.looked_at = True
        return self.received != 0

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as shells have it."""
        return 128 + self.received

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            raise SystemExit(128 + number)
        self.received = number
        remark = b"stopping after this step; once more leaves at once" if self.looked_at else b"stopped before a step"
        # Not sys.stderr, which may be in the middle of writing when the signal comes.
        try:
            os.write(2, b"\nnanochat: " + remark + b"\n")
        except OSError:
            if number != signal.SIGINT and sys.stdout.isatty():  # the terminal is gone: it takes no results, either
                discard(sys.stdout)
        if not self.looked_at:
            raise SystemExit(self.exit_code)

    @contextmanager
    def watched(self) -> Iterator[StopSignals]:
        """Handle the signals inside the block; a hangup only where `nohup` did not have it ignored."""
        numbers = [signal.SIGINT, signal.SIGTERM]
        if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        previous = {number: signal.signal(number, self._receive) for number in numbers}
        try:
            yield self
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
