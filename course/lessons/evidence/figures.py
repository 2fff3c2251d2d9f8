"""The pictures of lesson 12: a hundred studies in which nothing is true, and the best of many equals."""

from __future__ import annotations

import math
import random

from ....experiments.statistics.intervals import t_interval
from ..canvas import BLUE, FAINT, GREEN, RED, Canvas, Point

_SPREAD = 0.02
"""Standard deviation of a difference, nats."""


def figures() -> dict[str, str]:
    """Name of the file -> SVG; the same bytes each time."""
    return {"null.svg": _null(), "best.svg": _best()}


def null_study(rng: random.Random, n: int = 5) -> list[float]:
    """Differences of n seeds between two variants that are the same."""
    return [rng.gauss(0, _SPREAD) for _ in range(n)]


def false_alarms(half_width: float, *, n_studies: int = 2000, n: int = 5) -> float:
    """Share of null studies whose mean is further from 0 than half_width standard errors."""
    rng, missed = random.Random(1), 0
    for _ in range(n_studies):
        d = null_study(rng, n)
        center = math.fsum(d) / n
        s = math.sqrt(math.fsum((x - center) ** 2 for x in d) / (n - 1))
        missed += abs(center) > half_width * s / math.sqrt(n)
    return missed / n_studies


def best_of(n: int, *, n_tries: int = 500) -> float:
    """Mean distance of the best of n equals from their mean, in standard deviations."""
    rng = random.Random(n)
    return math.fsum(max(rng.gauss(0, 1) for _ in range(n)) for _ in range(n_tries)) / n_tries


def _null() -> str:
    canvas = Canvas(
        640, 280, "a hundred studies of five seeds in which nothing is true: a few intervals miss 0, in red"
    )
    rng, n_missed = random.Random(3), 0

    def place(i: float, nats: float) -> Point:
        return 40 + 5.8 * i, 130 - 1600 * nats

    canvas.path([place(-1, 0), place(100, 0)], FAINT)
    for i in range(100):
        found = t_interval(null_study(rng))
        misses = not found.low <= 0 <= found.high
        n_missed += misses
        canvas.path(
            [place(i, max(found.low, -0.07)), place(i, min(found.high, 0.07))], RED if misses else BLUE, width=2
        )
    canvas.words("0", (28, 134), colour=FAINT)
    canvas.words("difference in nats, with a 95 % interval from five seeds", (20, 24), colour=FAINT, anchor="start")
    canvas.words(f"{n_missed} of 100 miss 0, and nothing was true in any of them", (320, 268), colour=RED)
    return canvas.svg()


def _best() -> str:
    canvas = Canvas(520, 230, "the best of n equals lies further and further above their mean: 1.5 spreads for ten")
    sizes = (1, 2, 3, 5, 10, 20, 50)

    def place(i: int, height: float) -> Point:
        return 60 + 66.0 * i, 170 - 55 * height

    canvas.words("best of n equals, in spreads above their mean", (20, 24), colour=FAINT, anchor="start")
    heights = [best_of(n) for n in sizes]
    canvas.path([place(0, 0), place(6, 0)], "#e2e8f0")
    canvas.path([place(i, h) for i, h in enumerate(heights)], GREEN, width=2.5)
    for i, (n, h) in enumerate(zip(sizes, heights, strict=True)):
        canvas.words(f"{abs(h):.1f}", (place(i, h)[0], place(i, h)[1] - 8), colour=GREEN)
        canvas.words(str(n), (place(i, 0)[0], 190), colour=FAINT)
    canvas.words("n, how many were tried", (260, 218), colour=FAINT)
    return canvas.svg()
