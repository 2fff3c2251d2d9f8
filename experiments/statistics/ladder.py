"""Rungs of a growing budget or size: does a difference last, and where does a loss go next?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .intervals import Interval, t_interval, t_quantile

Word = Literal["lasts", "shrinks", "grows", "turns", "shown late", "not decided"]
LEAST_RUNGS, LEAST_SEEDS = 4, 3
"""Below either a floor E cannot be told from a small exponent: the fit is a plain power law."""
EXPONENTS = np.geomspace(0.01, 8, 1200)
"""That are tried."""


@dataclass(frozen=True)
class Trend:
    """What a difference does along a ladder."""

    word: Word
    """lasts: shown at both ends with one sign, and not seen to change; shrinks, grows: its slope is shown; turns: shown
    with one sign at the first rung and with the other at the last; shown late: at the last rung, not at the first."""
    slope: Interval
    """Of the size of the difference, nats for each doubling: below 0 it shrinks."""
    rungs: tuple[Interval, ...]
    """The difference at each rung."""


def trend(x: np.ndarray, differences: np.ndarray, *, shown: tuple[int | None, int | None] = (None, None)) -> Trend:
    """What the paired difference does as x grows.   x (R rungs,) rising, differences (n seeds, R) finite

    `shown`: the sign that a test shows at the first and at the last rung, 0 for none; None leaves it to the t interval.
    A seed is a cluster: each has its own slope on log2 x, and the t interval of the slopes decides. The size is taken
    along the sign that is shown, at the last rung if there, else at the first: where none is, no word but "not decided"
    stands for it. Raises ValueError.
    """
    differences = _checked(x, differences)
    rungs = tuple(t_interval(column) for column in differences.T.tolist())
    first, last = (
        _sign_of(rung) if sign is None else sign for rung, sign in zip((rungs[0], rungs[-1]), shown, strict=True)
    )
    sign = last or first or math.copysign(1.0, float(differences.mean()))
    centered = np.log2(x) - np.log2(x).mean()
    slopes = sign * differences @ centered / (centered @ centered)
    slope = t_interval(np.round(slopes, 12).tolist())  # rounding alone is no slope
    does = _sign_of(slope)
    word: Word = "not decided"
    if first * last < 0:
        word = "turns"
    elif last and not first:
        word = "shown late"
    elif first and does < 0:
        word = "shrinks"
    elif first and last:
        word = "grows" if does else "lasts"
    return Trend(word, slope, rungs)


@dataclass(frozen=True)
class PowerLaw:
    """L = floor + scale x^-exponent, the least squares of the rungs' means."""

    floor: float
    """E, nats; 0 where there are too few rungs or seeds to tell it."""
    scale: float
    """A."""
    exponent: float
    exponent_interval: tuple[float, float]
    """Ends of the 95 % interval of the exponent, by its profile."""
    floor_interval: tuple[float, float]
    """Of E; (0, 0) where it is not fitted."""

    @property
    def is_told(self) -> bool:
        """The rungs tell the exponent: its interval does not end where the search does."""
        return EXPONENTS[0] < self.exponent_interval[0] and self.exponent_interval[1] < EXPONENTS[-1]

    @property
    def has_floor(self) -> bool:
        """There were rungs and seeds enough to tell one; without it what levels off is foretold too low."""
        return self.floor_interval != (0.0, 0.0)

    def at(self, x: float) -> float:
        """The loss foretold."""
        return self.floor + self.scale * x**-self.exponent


@dataclass(frozen=True)
class Prediction:
    """The loss foretold for a rung, and its 95 % interval: of the mean of as many seeds as the ladder has."""

    x: float
    mean: float
    low: float
    high: float


def fit_and_predict(x: np.ndarray, losses: np.ndarray, x_next: float) -> tuple[PowerLaw, Prediction]:
    """The law of a ladder, and what it foretells for another rung.   x (R,) rising, losses (n seeds, R) above 0

    Given the exponent the law is linear in E and A, so each exponent of a grid is solved exactly; without E it is a
    straight line of logarithms. An interval holds what some exponent explains with squares within s^2 t^2 of the least
    (profile). s^2 pools how seeds scatter about their common curve, a level of each seed's own taken out, and what
    the law leaves of the rungs' means. Raises ValueError.
    """
    losses = _checked(x, losses)
    n, n_rungs = losses.shape
    with_floor = n_rungs >= LEAST_RUNGS and n >= LEAST_SEEDS
    unit = math.exp(float(np.log(x).mean()))
    z, z_next = np.asarray(x, dtype=np.float64) / unit, x_next / unit
    if with_floor:
        rows, p, p_next = losses, z[None, :] ** -EXPONENTS[:, None], z_next**-EXPONENTS
    else:
        rows, p, p_next = np.log(losses), np.log(z)[None, :], np.log([z_next])
    lines = lines_of(p, rows.mean(0), within=with_floor)
    reach = _reach(rows, lines, n_parameters=2 + with_floor)
    guess, low, high = lines.interval(p_next, reach, noise=1.0)
    if with_floor:
        floor, floor_low, floor_high = lines.interval(np.zeros(1), reach, noise=0.0)
        a, held = float(EXPONENTS[lines.best]), EXPONENTS[lines.room(reach) >= 0]
        ends, scale = (float(held.min()), float(held.max())), float(lines.slope[lines.best])
        law = PowerLaw(floor, scale * unit**a, a, ends, (max(0.0, floor_low), floor_high))
        return law, Prediction(x_next, guess, low, high)
    a, half = -float(lines.slope[0]), math.sqrt(reach / float(lines.spread[0]))
    scale = math.exp(lines.level - float(lines.slope[0] * lines.center[0]))
    law = PowerLaw(0.0, scale * unit**a, a, (a - half, a + half), (0.0, 0.0))
    return law, Prediction(x_next, math.exp(guess), math.exp(low), math.exp(high))


def _reach(rows: np.ndarray, lines: Lines, *, n_parameters: int) -> float:
    """s^2 t^2 of a mean over the seeds.   rows (n, R)"""
    n, n_rungs = rows.shape
    df = (n - 1) * (n_rungs - 1) + n_rungs - n_parameters
    if df < 1:
        raise ValueError(f"{n_rungs} rungs of {n} seeds leave nothing to judge the fit by: give 3 rungs or 2 seeds")
    rest = rows - rows.mean(1, keepdims=True) - rows.mean(0) + rows.mean()
    squares = float(np.sum(rest * rest)) + n * float(lines.squares[lines.best])
    return squares / df / n * t_quantile(0.975, df) ** 2


@dataclass(frozen=True)
class Lines:
    """Least squares y = level + slope (p - center), one for each row of p: for each exponent of the grid."""

    level: float
    slope: np.ndarray
    center: np.ndarray
    spread: np.ndarray
    """Sum of (p - center)^2."""
    squares: np.ndarray
    """What is left of y; infinite where the floor would lie below 0."""
    n: int

    @property
    def best(self) -> int:
        """The exponent that leaves least."""
        return int(np.argmin(self.squares))

    def room(self, reach: float) -> np.ndarray:
        """What each exponent has left of the squares that the interval allows; below 0 it is no candidate."""
        return reach - (self.squares - self.squares[self.best])

    def interval(self, p: np.ndarray, reach: float, *, noise: float) -> tuple[float, float, float]:
        """Best guess at p (G,) or (1,), and the ends over all candidates; noise=1 for a new mean beside the line."""
        room, away = self.room(reach), p - self.center
        guess = self.level + self.slope * away
        width = np.sqrt(np.maximum(room, 0) * (noise + 1 / self.n + away**2 / self.spread))
        held = room >= 0
        return float(guess[self.best]), float((guess - width)[held].min()), float((guess + width)[held].max())


def lines_of(p: np.ndarray, y: np.ndarray, *, within: bool = False) -> Lines:
    """p (G, R), y (R,); `within`: the value at p = 0, the floor, may not lie below 0, if that can be."""
    center, level = p.mean(1), float(y.mean())
    away = p - center[:, None]
    spread = np.sum(away * away, 1)
    slope = away @ (y - level) / spread
    left = y - level - slope[:, None] * away
    squares, is_sound = np.sum(left * left, 1), level - slope * center >= 0
    if within and is_sound.any():
        squares = np.where(is_sound, squares, np.inf)
    return Lines(level, slope, center, spread, squares, len(y))


def _sign_of(interval: Interval) -> int:
    """Of an interval that does not hold 0; 0 for one that does, or has no width."""
    return (interval.low > 0) - (interval.high < 0)


def _checked(x: np.ndarray, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if len(x) < 2:
        raise ValueError(f"a ladder of {len(x)} rungs shows no trend: give two values or more")
    if np.any(np.diff(x) <= 0) or x[0] <= 0 or values.ndim != 2 or values.shape[1] != len(x):
        raise ValueError(f"rungs {list(x)} do not rise from above 0, with a column of values each")
    if not np.isfinite(values).all():
        raise ValueError("a rung has a run that did not end well: give the seeds that did at every rung")
    return values
