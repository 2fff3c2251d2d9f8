"""The pictures of lesson 9: a valley walked down in three ways, and the loss curves of a right loop and wrong ones."""

from __future__ import annotations

import math

from ..canvas import BLUE, FAINT, GREEN, RED, Canvas, Point
from .rules import Rule, Spelling, Update

_START = (-4.0, 1.2)
_STEEP = 25.0


def figures() -> dict[str, str]:
    """Name of the file -> SVG; the same bytes each time."""
    return {"valley.svg": _valley(), "curves.svg": _curves()}


def loss_of(w: Point) -> float:
    """A valley that is 25 times as steep across as along       (w0^2 + 25 w1^2) / 2"""
    return (w[0] ** 2 + _STEEP * w[1] ** 2) / 2


def descended(lr: float, steps: int) -> list[Point]:
    """The way of plain gradient descent."""
    points = [_START]
    for _ in range(steps):
        x, y = points[-1]
        points.append((x - lr * x, y - lr * _STEEP * y))
    return points


def adam(update: Update, lr: float, steps: int) -> list[Point]:
    """The way of an optimizer of exercise 9a, number by number."""
    points, memory = [_START], [(0.0, 0.0), (0.0, 0.0)]
    for t in range(1, steps + 1):
        x, y = points[-1]
        moved = []
        for i, (p, g) in enumerate(((x, x), (y, _STEEP * y))):
            p, m, v = update(p, g, *memory[i], t, lr=lr, decay=0.0)
            memory[i] = (m, v)
            moved.append(p)
        points.append((moved[0], moved[1]))
    return points


def _valley() -> str:
    canvas = Canvas(640, 260, "a steep valley: descent zigzags or creeps, Adam walks along it")

    def place(w: Point) -> Point:
        return 330 + 66 * w[0], 120 + 60 * w[1]

    for level in (0.5, 2.0, 4.0, 8.0, 16.0):
        ring = [2 * math.pi * i / 60 for i in range(61)]
        wide, high = math.sqrt(2 * level), math.sqrt(2 * level / _STEEP)
        canvas.path([place((wide * math.cos(a), high * math.sin(a))) for a in ring], "#cbd5e1", width=1)
    right = Spelling()(Rule())
    for points, colour, name, at in (
        (descended(0.078, 30), RED, "descent, lr 0.078: nearly too long across", (20, 214)),
        (descended(0.02, 30), FAINT, "descent, lr 0.02: creeps along", (20, 232)),
        (adam(right, 0.3, 30), BLUE, "Adam, lr 0.3: both directions at one pace", (20, 250)),
    ):
        canvas.path([place(w) for w in points], colour, width=1.8)
        canvas.words(name, at, colour=colour, anchor="start")
    canvas.words("30 steps each", (620, 250), colour=FAINT, anchor="end")
    return canvas.svg()


def _curves() -> str:
    """Adam on that valley, and the same with one line wrong."""
    title = "loss over 60 steps: three loops look alike though two are wrong; one hardly moves, one climbs"
    canvas = Canvas(640, 300, title)
    loops = {
        "right": (adam(Spelling()(Rule()), 0.1, 60), BLUE),
        "no correction": (adam(Spelling(corrects="never")(Rule()), 0.1, 60), GREEN),
        "correction multiplied": (adam(Spelling(corrects="multiplies")(Rule()), 0.1, 60), FAINT),
        "no root": (adam(Spelling(roots=False)(Rule()), 0.1, 60), "#7c3aed"),
        "uphill": (adam(Spelling(sign=1.0)(Rule()), 0.1, 60), RED),
    }

    def place(step: int, loss: float) -> Point:
        return 60 + 6.6 * step, 170 - 44 * math.log10(max(loss, 1e-2))

    for power in (-2, -1, 0, 1, 2):
        canvas.path([place(0, 10.0**power), place(60, 10.0**power)], "#e2e8f0")
        canvas.words(f"{10.0**power:g}", (50, place(0, 10.0**power)[1] + 4), colour=FAINT, anchor="end")
    heights: list[float] = []
    for name, (points, colour) in loops.items():
        canvas.path([place(i, loss_of(w)) for i, w in enumerate(points)], colour, width=2)
        height = place(60, loss_of(points[-1]))[1] + 4
        while any(abs(height - other) < 14 for other in heights):
            height += 3
        heights.append(height)
        canvas.words(name, (464, height), colour=colour, anchor="start")
    canvas.words("loss", (20, 50), colour=FAINT, anchor="start")
    for step in (0, 20, 40, 60):
        canvas.words(str(step), (place(step, 1)[0], 270), colour=FAINT)
    canvas.words("steps", (258, 290), colour=FAINT)
    return canvas.svg()
