"""A text cut into tokens, as it looks: coloured pieces over their ids in a terminal, `Hel|lo| wor|ld` elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from ...tokenizers.inspection import Piece
from ..console import results

_COLORS = ("black on bright_cyan", "black on bright_yellow", "black on bright_magenta", "black on bright_green")
"""Neighbours differ, so a piece is seen as one even where it ends in a space."""


def print_pieces(pieces: Sequence[Piece], console: Console | None = None) -> None:
    """The picture on stdout."""
    console = console or results()
    if not console.is_terminal or console.no_color or console.color_system is None:
        console.print("|".join(piece.text for piece in pieces), markup=False, highlight=False, soft_wrap=True)
        return
    number = 0
    for line in _lines(pieces, console.width):
        above, below = Text(no_wrap=True, overflow="crop"), Text(style="dim", no_wrap=True, overflow="crop")
        for piece in line:
            width = _width(piece, console.width)
            above.append(set_cell_size(piece.text, min(width, cell_len(piece.text))), _COLORS[number % len(_COLORS)])
            above.append(" " * (width - cell_len(piece.text) + 1))
            below.append(str(piece.id).ljust(width + 1))
            number += 1
        console.print(above)
        console.print(below)


def _lines(pieces: Iterable[Piece], width: int) -> Iterator[list[Piece]]:
    """The pieces in rows that fit."""
    line: list[Piece] = []
    used = 0
    for piece in pieces:
        needed = _width(piece, width) + 1
        if line and used + needed > width:
            yield line
            line, used = [], 0
        line.append(piece)
        used += needed
    if line:
        yield line


def _width(piece: Piece, most: int) -> int:
    """Columns for the piece and for its id."""
    return min(max(cell_len(piece.text), len(str(piece.id))), most - 1)
