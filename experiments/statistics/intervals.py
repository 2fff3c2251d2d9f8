"""The statistics of a sweep, by hand: mean, spread, and how far the mean of a few seeds can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Interval:
    """A mean and how far its interval reaches on each side; nan where one value says nothing about spread."""

    mean: float
    half_width: float

    @property
    def low(self) -> float:
        """Lower end."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end."""
        return self.mean + self.half_width


def mean(values: Sequence[float]) -> float:
    """Sum over n, exactly rounded; nan of nothing."""
    return math.fsum(values) / len(values) if values else math.nan


def standard_deviation(values: Sequence[float]) -> float:
    """Of a sample: sqrt(sum (x - mean)^2 / (n - 1)); nan below two values."""
    if len(values) < 2:
        return math.nan
    center = mean(values)
    return math.hypot(*(x - center for x in values)) / math.sqrt(len(values) - 1)  # losses that exploded: no overflow


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """mean +- t s / sqrt(n), t the quantile of Student's distribution with n - 1 degrees of freedom.

    Student 1908, "The probable error of a mean". It assumes that the means of such samples are about normal.
    """
    if len(values) < 2:
        return Interval(mean(values), math.nan)
    t = t_quantile((1 + confidence) / 2, len(values) - 1)
    return Interval(mean(values), t * standard_deviation(values) / math.sqrt(len(values)))


@cache
def t_quantile(p: float, df: int) -> float:
    """The t with P(T <= t) = p, T of Student's distribution with `df` degrees of freedom; 0 < p < 1."""
    if not (0 < p < 1 and df >= 1):
        raise ValueError(f"p={p} and df={df}: p must lie between 0 and 1, and df be 1 or more")
    if p < 0.5:
        return -t_quantile(1 - p, df)
    low, high = 0.0, 1.0
    while t_cdf(high, df) < p:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:  # until no float lies between them
        low, high = (middle, high) if t_cdf(middle, df) < p else (low, middle)
    return high


def t_cdf(t: float, df: int) -> float:
    """P(T <= t) = 1 - I_x(df/2, 1/2) / 2 with x = df / (df + t^2), for t >= 0."""
    return 1 - incomplete_beta(df / (df + t * t), df / 2, 0.5) / 2


def incomplete_beta(x: float, a: float, b: float) -> float:
    """I_x(a, b): the share of x^(a-1) (1-x)^(b-1) that lies below x.

    By its continued fraction (Abramowitz and Stegun 1964, 26.5.8), which converges fast for x < (a+1) / (a+b+2);
    above that I_x(a, b) = 1 - I_(1-x)(b, a).
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(1 - x, b, a)
    log_front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log_front) / a / _continued_fraction(x, a, b)


def _continued_fraction(x: float, a: float, b: float) -> float:
    """1 + d1/(1 + d2/(1 + ...)), d as in 26.5.8, evaluated from the front (Lentz 1976)."""
    value, c, d = 1.0, 1.0, 0.0
    for m in range(1, 400):
        k = m // 2
        if m % 2:
            term = -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1))
        else:
            term = k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k))
        d = 1 / (1 + term * d)
        c = 1 + term / c
        value *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return value
