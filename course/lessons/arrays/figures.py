"""The pictures of lesson 5: shapes on the way there and back, and a broadcast that turns into a sum."""

from __future__ import annotations

from ..canvas import BLUE, FAINT, GREEN, INK, RED, Canvas

_CELL = 26


def figures() -> dict[str, str]:
    """Name of the file -> SVG; the same bytes each time."""
    return {"shapes.svg": _shapes(), "repeat.svg": _repeat()}


def _grid(canvas: Canvas, at: tuple[float, float], rows: list[list[str]], colour: str, name: str) -> None:
    """Numbers in squares, a name above."""
    x, y = at
    canvas.words(name, (x + _CELL * len(rows[0]) / 2, y - 8), colour=colour)
    for i, row in enumerate(rows):
        for j, number in enumerate(row):
            canvas.box((x + _CELL * j, y + _CELL * i), (_CELL, _CELL), "#f8fafc", line=colour)
            canvas.words(number, (x + _CELL * (j + 0.5), y + _CELL * i + 17), size=11)


def _shapes() -> str:
    """a b = y above, and what g brings back below."""
    canvas = Canvas(560, 280, "a (2, 2) times b (2, 1) is y (2, 1); back, g (2, 1) gives da (2, 2) and db (2, 1)")
    canvas.words("there", (30, 66), colour=FAINT, anchor="start")
    _grid(canvas, (90, 40), [["1", "2"], ["3", "4"]], BLUE, "a (2, 2)")
    canvas.words("@", (166, 72), colour=INK, size=16)
    _grid(canvas, (190, 40), [["5"], ["6"]], BLUE, "b (2, 1)")
    canvas.arrow((250, 66), (390, 66), FAINT)
    _grid(canvas, (430, 40), [["17"], ["39"]], GREEN, "y (2, 1)")
    canvas.words("back", (30, 206), colour=FAINT, anchor="start")
    _grid(canvas, (90, 180), [["5", "6"], ["50", "60"]], RED, "da = g b^T")
    _grid(canvas, (190, 180), [["31"], ["42"]], RED, "db = a^T g")
    canvas.arrow((390, 206), (250, 206), FAINT)
    _grid(canvas, (430, 180), [["1"], ["10"]], RED, "g (2, 1)")
    canvas.words("a gradient has the shape of what it is the gradient of", (280, 264), colour=FAINT)
    return canvas.svg()


def _repeat() -> str:
    """A row that is used twice gets two gradients."""
    canvas = Canvas(560, 200, "a row of three is added to two rows; back, its gradient is the sum of both rows of g")
    _grid(canvas, (40, 60), [["r0", "r1", "r2"]], BLUE, "row (3,)")
    canvas.arrow((130, 70), (210, 60), FAINT)
    canvas.arrow((130, 78), (210, 88), FAINT)
    _grid(canvas, (220, 46), [["r0", "r1", "r2"], ["r0", "r1", "r2"]], FAINT, "repeated (2, 3)")
    _grid(canvas, (430, 46), [["1", "2", "3"], ["4", "5", "6"]], RED, "g (2, 3)")
    canvas.arrow((420, 120), (136, 152), RED)
    _grid(canvas, (40, 140), [["5", "7", "9"]], RED, "")
    canvas.words("its gradient: summed over the rows", (330, 168), colour=RED)
    return canvas.svg()
