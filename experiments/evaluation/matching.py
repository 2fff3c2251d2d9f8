"""Exact match: whether an answer is the expected one, and how sure the share of right ones is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from unicodedata import normalize

from ...data.builtin.world import answers


@dataclass(frozen=True)
class Share:
    """So many of so many, with the interval that the true share lies in."""

    n_right: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """nan of nothing."""
        return self.n_right / self.n if self.n else math.nan


def matches(answer: str, expected: str) -> bool:
    """Whether they are the same but for what makes no difference in the world's answers, and how accents are composed.

    >>> matches("  The capital is\\n lima!", "capital is Lima.")
    True
    """
    return answers.matches(normalize("NFC", answer), [normalize("NFC", expected)])


def share(right: Iterable[bool], confidence: float = 0.95) -> Share:
    """The share of True, with Wilson's score interval at this confidence; 0 to 1 where there is nothing to count.

    (p + z^2 / 2n  +-  z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n),  z the normal quantile.
    Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    outcomes = list(right)
    n, n_right = len(outcomes), sum(outcomes)
    if n == 0:
        return Share(0, 0, 0.0, 1.0)
    z, p = NormalDist().inv_cdf((1 + confidence) / 2), n_right / n
    center, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = ((center + sign * spread) / (1 + z * z / n) for sign in (-1, 1))
    return Share(n_right, n, 0.0 if n_right == 0 else low, 1.0 if n_right == n else high)
