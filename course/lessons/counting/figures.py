"""The pictures of lesson 4: the pairs of names, counted, and a table that is trained towards its counts."""

from __future__ import annotations

import math

from ....data.builtin import read_builtin
from ..canvas import BLUE, FAINT, INK, Canvas
from .milestone import descended, nats_of
from .pairs import Counting, counts

LETTERS = ".abcdefghijklmnopqrstuvwxyz"
_CELL = 16
SEEN = ((0, 1, 0), (1, 0, 1), (0, 1, 1))
"""N(a, b) of `.abba.`"""


def figures() -> dict[str, str]:
    """Name of the file -> SVG; the same bytes each time."""
    return {"pairs.svg": _pairs(), "training.svg": _training()}


def _pairs() -> str:
    """27 x 27: the darker, the likelier is the column's letter after the row's."""
    names = [[0, *map(LETTERS.index, name), 0] for name in read_builtin("names").split() if set(name) <= set(LETTERS)]
    v = Counting(add=1.0)
    canvas = Canvas(500, 500, "p(next letter | letter) in names, counted; . is the beginning and the end")
    for i, letter in enumerate(LETTERS):
        canvas.words(letter, (40 + _CELL * i + 8, 34), colour=INK)
        canvas.words(letter, (30, 40 + _CELL * i + 12), colour=INK)
    for a, row in enumerate(counts(v, names, 27)):
        for b, n in enumerate(row):
            p = v.smoothed(n, sum(row), 27)
            shade = round(255 - 225 * min(1.0, p / 0.4))
            if shade < 250:
                canvas.box((40 + _CELL * b, 40 + _CELL * a), (_CELL, _CELL), f"#{shade:02x}{shade:02x}ff")
    canvas.words("row: a letter; column: the one after it; dark blue: 0.4 and more", (256, 490), colour=FAINT)
    return canvas.svg()


def losses(n_steps: int = 40, lr: float = 2.0) -> list[float]:
    """The loss of `.abba.` after 0, 1, ... steps of gradient descent from a table of zeros."""
    return [nats_of(SEEN, descended(SEEN, steps, lr)) for steps in range(n_steps + 1)]


def _training() -> str:
    canvas = Canvas(500, 260, "training a table of logits on .abba.: the loss falls from ln 3 towards that of counting")
    found, best = losses(), 4 * math.log(2) / 5
    low, high = 0.5, 1.15

    def place(step: int, nats: float) -> tuple[float, float]:
        return 60 + 10.4 * step, 210 - 170 * (nats - low) / (high - low)

    for nats, name, below in (
        (math.log(3), "ln 3 = 1.0986: knows nothing", -6),
        (best, f"4 ln 2 / 5 = {best:.4f}: counting", 14),  # the curve runs above
    ):
        canvas.path([place(0, nats), place(40, nats)], FAINT, dashed=True)
        canvas.words(name, (place(40, nats)[0], place(0, nats)[1] + below), colour=FAINT, anchor="end")
    canvas.path([place(step, nats) for step, nats in enumerate(found)], BLUE, width=2.5)
    canvas.words("loss", (30, 30), colour=BLUE, anchor="start")
    for step in (0, 10, 20, 30, 40):
        canvas.words(str(step), (place(step, low)[0], 232), colour=FAINT)
    canvas.words("steps", (268, 250), colour=FAINT)
    return canvas.svg()
