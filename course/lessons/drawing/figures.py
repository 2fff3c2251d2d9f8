"""The pictures of lesson 10: one distribution at three temperatures, and how much is read with a cache and without."""

from __future__ import annotations

import math

from ..canvas import BLUE, FAINT, GREEN, RED, Canvas

_LOGITS = [math.log(n) for n in (20, 12, 6, 3, 2, 1)]


def figures() -> dict[str, str]:
    """Name of the file -> SVG; the same bytes each time."""
    return {"heat.svg": _heat(), "reads.svg": _reads()}


def softmax(logits: list[float], temperature: float) -> list[float]:
    """exp(z / T), normalised."""
    exps = [math.exp(z / temperature) for z in logits]
    return [e / sum(exps) for e in exps]


def _heat() -> str:
    canvas = Canvas(660, 230, "six probabilities at temperatures 0.5, 1 and 2: cold is steep, hot is flat")
    for i, (temperature, colour) in enumerate(((0.5, BLUE), (1.0, GREEN), (2.0, RED))):
        left, ground = 30 + 210.0 * i, 180.0
        canvas.words(f"temperature {temperature:g}", (left + 85, 24), colour=colour)
        for j, p in enumerate(softmax(_LOGITS, temperature)):
            height = 180 * p
            canvas.box((left + 28 * j, ground - height), (22, height), colour)
            canvas.words(f"{p:.2f}", (left + 28 * j + 11, ground - height - 4), size=10)
        total = 0.0
        for j, p in enumerate(softmax(_LOGITS, temperature)):  # what top-p 0.8 keeps
            if total < 0.8:
                canvas.path([(left + 28 * j, ground + 6), (left + 28 * j + 22, ground + 6)], colour, width=3)
            total += p
    canvas.words("underlined: what top-p 0.8 keeps after the temperature", (330, 216), colour=FAINT)
    return canvas.svg()


def _reads() -> str:
    canvas = Canvas(560, 250, "eight tokens: without a cache 36 rows are computed, with one 8; keys read are the same")
    for i, (name, colour) in enumerate((("without a cache: all again", RED), ("with a cache: one row a token", BLUE))):
        left, top = 50 + 270.0 * i, 50.0
        canvas.words(name, (left + 80, 30), colour=colour)
        for t in range(8):
            canvas.words(f"{t + 1}", (left - 12, top + 20 * t + 14), colour=FAINT, size=10)
            for s in range(t + 1):
                is_new = i == 0 or s == t
                canvas.box((left + 20 * s, top + 20 * t), (20, 20), colour if is_new else "#dbeafe", line="#ffffff")
    canvas.words("a row is a step; dark squares are keys and values computed in it, 36 and 8 in all", (280, 236))
    return canvas.svg()
