"""A loss over two amounts at once, training and size: L = E + A x^-a + B y^-b."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .intervals import t_quantile
from .ladder import EXPONENTS, Prediction, lines_of

LEAST_X, LEAST_Y, LEAST_SEEDS = 4, 3, 3
"""Rungs of the one and of the other amount, and seeds: below these two terms and a floor are not told apart."""


@dataclass(frozen=True)
class TwoTermLaw:
    """L = floor + scale_x x^-exponent_x + scale_y y^-exponent_y, least squares of the means; 95 % intervals by profile.

    Kaplan et al. 2020, arXiv:2001.08361; Hoffmann et al. 2022, arXiv:2203.15556.
    """

    floor: float
    """E, nats."""
    scale_x: float
    exponent_x: float
    scale_y: float
    exponent_y: float
    floor_interval: tuple[float, float]
    interval_x: tuple[float, float]
    interval_y: tuple[float, float]

    @property
    def is_told(self) -> tuple[bool, bool]:
        """Whether the rungs tell either exponent: its interval does not end where the search does."""
        first, last = float(EXPONENTS[0]), float(EXPONENTS[-1])
        one, other = (first < low and high < last for low, high in (self.interval_x, self.interval_y))
        return one, other

    def at(self, x: float, y: float) -> float:
        """The loss foretold."""
        return float(self.floor + self.scale_x * x**-self.exponent_x + self.scale_y * y**-self.exponent_y)


def fit_surface(
    x: np.ndarray, y: np.ndarray, losses: np.ndarray, ahead: tuple[float, float]
) -> tuple[TwoTermLaw, Prediction]:
    """The law, and the loss at `ahead`.   x (R,) and y (S,) rising from above 0, losses (n seeds, R, S) finite

    Every x was run with every y, so the terms are orthogonal: a is told by the means over y, b by those over x. s^2 is
    of what the seeds leave beside levels of their own, and the means beside the law. Raises ValueError.
    """
    n, n_x, n_y = losses.shape
    if n_x < LEAST_X or n_y < LEAST_Y or n < LEAST_SEEDS:
        raise ValueError(
            f"{n_x} x {n_y} rungs of {n} seeds tell no two terms: give {LEAST_X} x {LEAST_Y} and {LEAST_SEEDS} seeds"
        )
    units = [math.exp(float(np.log(amounts).mean())) for amounts in (x, y)]
    means = losses.mean(0)
    (one, p_next), (other, q_next) = (
        (lines_of((amounts / unit)[None, :] ** -EXPONENTS[:, None], rows), (far / unit) ** -EXPONENTS)
        for amounts, unit, rows, far in zip((x, y), units, (means.mean(1), means.mean(0)), ahead, strict=True)
    )
    # what the means over the other amount leave counts once for each of its rungs
    squares = n_y * one.squares[:, None] + n_x * other.squares[None, :]
    floors = one.level - (one.slope * one.center)[:, None] - (other.slope * other.center)[None, :]
    if (floors >= 0).any():  # a loss that would fall below 0 is no candidate
        squares = np.where(floors >= 0, squares, np.inf)
    best, others = (int(i) for i in np.unravel_index(np.argmin(squares), squares.shape))
    room = _reach(losses, float(squares[best, others])) - (squares - squares[best, others])
    held = room >= 0

    def ends(p: np.ndarray, q: np.ndarray, noise: float) -> tuple[float, float, float]:
        away, off = p - one.center, q - other.center
        guess = one.level + (one.slope * away)[:, None] + (other.slope * off)[None, :]
        steep = (away**2 / one.spread / n_y)[:, None] + (off**2 / other.spread / n_x)[None, :]
        width = np.sqrt(np.maximum(room, 0) * (noise + 1 / (n_x * n_y) + steep))
        return float(guess[best, others]), float((guess - width)[held].min()), float((guess + width)[held].max())

    floor, low, high = ends(np.zeros(1), np.zeros(1), 0.0)
    spans = [EXPONENTS[found] for found in (held.any(1), held.any(0))]
    scales = [
        float(lines.slope[i]) * unit ** float(EXPONENTS[i])
        for lines, i, unit in ((one, best, units[0]), (other, others, units[1]))
    ]
    law = TwoTermLaw(
        floor,
        scales[0],
        float(EXPONENTS[best]),
        scales[1],
        float(EXPONENTS[others]),
        (max(0.0, low), high),
        (float(spans[0].min()), float(spans[0].max())),
        (float(spans[1].min()), float(spans[1].max())),
    )
    return law, Prediction(ahead[0], *ends(p_next, q_next, 1.0))


def _reach(losses: np.ndarray, left: float) -> float:
    """s^2 t^2 of a mean over the seeds.   losses (n, R, S); `left`: squares of the means beside the two terms"""
    n, n_x, n_y = losses.shape
    means = losses.mean(0)
    rest = losses - losses.mean((1, 2), keepdims=True) - means + losses.mean()
    crossed = means - means.mean(1, keepdims=True) - means.mean(0) + means.mean()
    left += float(np.sum(crossed * crossed))
    df = (n - 1) * (n_x * n_y - 1) + n_x * n_y - 5
    return (float(np.sum(rest * rest)) + n * left) / df / n * t_quantile(0.975, df) ** 2
