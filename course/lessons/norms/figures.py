"""The pictures of lesson 6: a gradient at right angles, and how large the stream grows over depth."""

from __future__ import annotations

import math
import random

from ..canvas import BLUE, FAINT, GREEN, RED, Canvas

_WIDTH, _DEPTH = 32, 24


def figures() -> dict[str, str]:
    """Name of the file -> SVG; the same bytes each time."""
    return {"angle.svg": _angle(), "stream.svg": _stream()}


def _angle() -> str:
    """x = (1, 7), n = x / 5, and dx for g = (1, 0), drawn 16 times as long."""
    canvas = Canvas(
        420, 400, "x = (1, 7); n = (0.2, 1.4) lies along it; the gradient (0.196, -0.028) is at right angles"
    )

    def place(x: float, y: float) -> tuple[float, float]:
        return 60 + 44 * x, 350 - 44 * y

    canvas.path([place(-0.5, 0), place(6, 0)], FAINT)
    canvas.path([place(0, -0.5), place(0, 7.2)], FAINT)
    canvas.arrow(place(0, 0), place(1, 7), BLUE)
    canvas.words("x = (1, 7)", place(0.9, 7.2), colour=BLUE, anchor="start")
    canvas.arrow(place(0, 0), place(0.2, 1.4), GREEN)
    canvas.words("n = x / 5 = (0.2, 1.4)", place(0.5, 1.3), colour=GREEN, anchor="start")
    scale = 16
    canvas.arrow(place(1, 7), place(1 + scale * 0.196, 7 - scale * 0.028), RED)
    canvas.words("dx = (0.196, -0.028), drawn 16 times as long", place(1.2, 5.9), colour=RED, anchor="start")
    canvas.words("x . dx = 0: walking along x changes nothing", place(0.8, 3.6), colour=FAINT, anchor="start")
    return canvas.svg()


def stream(position: str, *, seed: int = 0) -> list[float]:
    """Root mean square of the stream after 0, 1, ... branches: each adds a random matrix times what it reads.

    position    "pre": x + f(norm(x));  "post": norm(x + f(x));  "none": x + f(x)
    """
    rng = random.Random(seed)
    x = [rng.gauss(0, 1) for _ in range(_WIDTH)]
    sizes = [_rms(x)]
    for _ in range(_DEPTH):
        weight = [[rng.gauss(0, 1) / math.sqrt(_WIDTH) for _ in range(_WIDTH)] for _ in range(_WIDTH)]
        read = _normed(x) if position == "pre" else x
        x = [one + sum(w * r for w, r in zip(row, read, strict=True)) for one, row in zip(x, weight, strict=True)]
        x = _normed(x) if position == "post" else x
        sizes.append(_rms(x))
    return sizes


def _rms(x: list[float]) -> float:
    return math.sqrt(math.fsum(v * v for v in x) / len(x))


def _normed(x: list[float]) -> list[float]:
    size = _rms(x)
    return [v / size for v in x]


def _stream() -> str:
    canvas = Canvas(
        520, 300, "size of the stream over 24 branches: doubles every two without a norm, grows slowly with pre"
    )

    def place(depth: int, size: float) -> tuple[float, float]:
        return 60.0 + 17 * depth, 250 - 16 * math.log2(size)

    canvas.words("root mean square of the stream", (20, 30), colour=FAINT, anchor="start")
    for power in (0, 4, 8, 12):
        canvas.path([place(0, 2**power), place(24, 2**power)], "#e2e8f0")
        canvas.words(f"{2**power:,}", (50, place(0, 2**power)[1] + 4), colour=FAINT, anchor="end")
    for position, colour, name in (
        ("none", RED, "no norm: x + f(x)"),
        ("pre", BLUE, "pre: x + f(norm(x))"),
        ("post", GREEN, "post: norm(x + f(x))"),
    ):
        sizes = stream(position)
        canvas.path([place(i, size) for i, size in enumerate(sizes)], colour, width=2.5)
        end = place(24, sizes[-1])
        canvas.words(name, (end[0], end[1] - 8), colour=colour, anchor="end")
    for depth in (0, 8, 16, 24):
        canvas.words(str(depth), (place(depth, 1)[0], 268), colour=FAINT)
    canvas.words("branches", (264, 288), colour=FAINT)
    return canvas.svg()
