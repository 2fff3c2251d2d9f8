"""The pictures of lesson 7: who looks at whom, and what a score that is not scaled does to a softmax."""

from __future__ import annotations

import math
import random

import numpy as np

from ..canvas import BLUE, FAINT, RED, Canvas
from .mistakes import Look

_CELL, _WORD = 24, "banana"


def figures() -> dict[str, str]:
    """Name of the file -> SVG; the same bytes each time."""
    return {"weights.svg": _weights(), "spread.svg": _spread()}


def _weights() -> str:
    """Four ways to look back, over the letters of a word; alike letters have alike keys."""
    looks = {
        "plain": Look(),
        "a window of 3": Look(window=3),
        "distance counts": Look(slope=0.5),
        "with a sink": Look(sink=True),
    }
    canvas = Canvas(720, 240, "weights of a word's letters: each row looks back, at its like most of all")
    for i, (name, look) in enumerate(looks.items()):
        left, top = 36 + 174 * i, 60.0
        canvas.words(name, (left + _CELL * 3, 30), colour=BLUE)
        for t, row in enumerate(_rows(look)):
            canvas.words(_WORD[t], (left - 10, top + _CELL * (t + 0.7)), colour=FAINT)
            canvas.words(_WORD[t], (left + _CELL * (t + 0.5), top - 6), colour=FAINT)
            for s, weight in enumerate(row):
                shade = round(255 - 200 * weight)
                fill = f"#{shade:02x}{shade:02x}ff" if s <= t else "#e2e8f0"
                canvas.box((left + _CELL * s, top + _CELL * t), (_CELL, _CELL), fill, line="#cbd5e1")
    canvas.words("a row is a query, a column a key; grey is the future, darker blue is more weight", (360, 226))
    return canvas.svg()


def _rows(look: Look) -> list[list[float]]:
    """The weights of every letter: a query scores 2 with its own letter and 0 with others."""
    rows = []
    for t, letter in enumerate(_WORD):
        seen = [s for s in range(t + 1) if look.sees(t, s)]
        exps = {s: math.exp(2 * (_WORD[s] == letter) - look.slope * (t - s)) for s in seen}
        total = sum(exps.values()) + look.sink
        rows.append([exps.get(s, 0.0) / total for s in range(len(_WORD))])
    return rows


def largest_weight(d: int, *, scaled: bool, n_keys: int = 16, n_tries: int = 100) -> float:
    """Mean largest weight of a softmax over q . k of normal draws; the scale divides by sqrt(d)."""
    rng = random.Random(d)
    total = 0.0
    for _ in range(n_tries):
        numbers = np.array([rng.gauss(0, 1) for _ in range(d * (n_keys + 1))]).reshape(-1, d)
        scores = numbers[1:] @ numbers[0] / (math.sqrt(d) if scaled else 1.0)
        e = np.exp(scores - scores.max())
        total += float(e.max() / e.sum())
    return total / n_tries


def _spread() -> str:
    canvas = Canvas(520, 270, "the largest of 16 weights: without the scale it goes to 1 as D grows, with it it stays")
    sizes = (1, 2, 4, 8, 16, 32, 64)

    def place(i: int, weight: float) -> tuple[float, float]:
        return 60 + 70.0 * i, 220 - 180 * weight

    canvas.words("largest of 16 weights, on average", (20, 24), colour=FAINT, anchor="start")
    for weight in (0.0, 0.5, 1.0):
        canvas.path([place(0, weight), place(6, weight)], "#e2e8f0")
        canvas.words(f"{weight:g}", (48, place(0, weight)[1] + 4), colour=FAINT, anchor="end")
    for scaled, colour, name in ((False, RED, "q . k"), (True, BLUE, "q . k / sqrt(D)")):
        weights = [largest_weight(d, scaled=scaled) for d in sizes]
        canvas.path([place(i, weight) for i, weight in enumerate(weights)], colour, width=2.5)
        canvas.words(name, (place(5, weights[5])[0], place(5, weights[5])[1] - 10), colour=colour)
    for i, d in enumerate(sizes):
        canvas.words(str(d), (place(i, 0)[0], 240), colour=FAINT)
    canvas.words("D, channels of a head", (270, 260), colour=FAINT)
    return canvas.svg()
