"""One test for all questions of a study: the signs of its seeds, flipped in all comparisons at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

MOST_EXACT = 14
"""Up to so many seeds every pattern of signs is tried; above, drawn ones and the seen one stand for all."""
DRAWS = 1 << 14
_MOST_FIT = 1 - 1e-9
"""Where a comparison has no spread its |t| would be infinite: it counts as this share of the squares."""
_TIE = 1 + 1e-7
"""Patterns that tie differ within the rounding of the share that is left, 1e-16 of 1e-9."""


@dataclass(frozen=True)
class JointTest:
    """What a joint test says of each comparison; arrays of shape (k,), nan where a column asks no question."""

    p: np.ndarray
    """Of the comparison alone: the exact sign-flip test."""
    p_joint: np.ndarray
    """Corrected for all comparisons: reject what is at most alpha, and any false alarm is as rare."""
    low: np.ndarray
    """Ends of the simultaneous intervals of the mean difference, infinite where the seeds are too few for one."""
    high: np.ndarray
    least_p: np.ndarray
    """The least p that the pairs can give, 2 / 2^n."""


def joint_test(
    differences: np.ndarray, *, alpha: float = 0.05, n_intervals: int | None = None, weights: np.ndarray | None = None
) -> JointTest:
    """Test each column's mean against 0; intervals of all, or the first.   differences (n seeds, k comparisons)

    nan: no pair of this seed, or both runs diverged. +inf, -inf: one of them did; such a column is tested by its ranks
    (`scores_of`), and its interval is that of its finite differences. A column of zeros alone asks no question.

    Under the hypothesis that nothing differs each seed's row may as well have the other sign, whatever the columns
    have to do with each other: |t| of the largest column is compared with that of every pattern of signs, then of the
    columns without it, and so on (step-down maxima: Westfall and Young 1993; Romano and Wolf 2005,
    doi:10.1198/016214504000000539). `weights` (k,), 1 unless given, multiply |t|: of a column below 1 the others lose
    little, and it waits until they are decided. An interval never contradicts the verdict: see _interval.
    """
    differences = np.asarray(differences, dtype=np.float64)
    n, k = differences.shape
    nothing = np.full(k, np.nan)
    if not n or not k:
        return JointTest(nothing, nothing, nothing, nothing, nothing)
    patterns, scores = sign_patterns(n), scores_of(differences)
    asked, n_pairs = np.nansum(np.abs(scores), 0) > 0, np.sum(~np.isnan(scores), 0)
    weights = np.ones(k) if weights is None else weights
    floor = np.where(n_pairs > 0, 2.0 ** (1 - n_pairs), np.nan)
    able = floor <= alpha  # what too few pairs can never show stands aside, lest its floor be that of others
    p, p_joint = _step_down(scores, asked, able, patterns, weights)
    low, high = nothing.copy(), nothing.copy()
    columns = [j for j in range(k if n_intervals is None else n_intervals) if np.isfinite(differences[:, j]).any()]
    if columns:
        low, high = _intervals(differences, columns, patterns, np.where(able, weights, 0.0), alpha)
        agree(low, high, p_joint <= alpha, differences)
    return JointTest(p, p_joint, low, high, floor)


@cache
def sign_patterns(n: int) -> np.ndarray:
    """Rows of +-1, the seen pattern (all +1) first; their mirror images have the same |t| and are left out.   (P, n)"""
    if n <= MOST_EXACT:
        bits = np.arange(1 << (n - 1))[:, None] >> np.arange(n - 1, -1, -1) & 1
        return 1.0 - 2.0 * bits
    drawn = np.random.default_rng(0).integers(0, 2, size=(DRAWS, n)) * 2.0 - 1.0
    drawn[0] = 1.0
    return drawn


def scores_of(differences: np.ndarray) -> np.ndarray:
    """Differences as they are tested: a column with a divergence by its signed ranks, others as they are.   (n, k)

    Ranks of |difference| without the zeros, ties by their mean rank: a divergence, being infinite, has the largest
    (Wilcoxon 1945, doi:10.2307/3001968). So no number stands in for a loss that was not reached.
    """
    scores = np.array(differences, dtype=np.float64)
    for j in np.flatnonzero(np.isinf(scores).any(0)):
        column = scores[:, j]
        sizes = np.abs(column)
        ranked = sizes[sizes > 0]  # nan is not
        below = (ranked[None, :] < ranked[:, None]).sum(1)
        ties = (ranked[None, :] == ranked[:, None]).sum(1)
        scores[sizes > 0, j] = np.sign(column[sizes > 0]) * (below + (ties + 1) / 2)
    return scores


def agree(low: np.ndarray, high: np.ndarray, is_shown: np.ndarray, differences: np.ndarray) -> None:
    """Let each interval hold 0 where no difference is shown, and end at 0 where one is, in place.

    Widening costs no coverage; what a later step of the test shows lies on one side of 0, and no farther. A column
    with divergences is judged by ranks of more pairs than its interval is of: it stays.
    """
    for j in np.flatnonzero(~np.isinf(differences).any(0) & ~np.isnan(low)):
        if not is_shown[j]:
            low[j], high[j] = min(low[j], 0.0), max(high[j], 0.0)
        elif np.nanmean(differences[:, j]) < 0:
            high[j] = min(high[j], 0.0)
        else:
            low[j] = max(low[j], 0.0)


def flipped_t(scores: np.ndarray, patterns: np.ndarray) -> np.ndarray:
    """|t| of a column of n scores under each pattern of signs; nan is no pair.   (n,), (P, n) -> (P,)"""
    known, held = ~np.isnan(scores), np.nan_to_num(scores)  # no pair adds nothing
    return _t(patterns @ held, float(held @ held), int(known.sum()))


def _t(sums: np.ndarray, squares: float, n: int) -> np.ndarray:
    """|t| by the share r^2 = sum^2 / (n squares) that the mean explains: t^2 = (n - 1) r^2 / (1 - r^2)."""
    if n < 2 or squares == 0:
        return np.zeros_like(sums)
    explained = np.minimum(sums * sums / (n * squares), _MOST_FIT)
    return np.asarray(np.sqrt((n - 1) * explained / (1 - explained)))


def _step_down(
    scores: np.ndarray, asked: np.ndarray, able: np.ndarray, patterns: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """p alone and corrected.   (n, k), (k,), (k,), (P, n), (k,) -> (k,), (k,)

    From the smallest |t| to the largest the running maximum is that of the columns which are still in the family when
    the one at hand is tested; no p may be below that of a column with a larger |t|.
    """
    p, p_joint = np.full(len(asked), np.nan), np.full(len(asked), np.nan)
    identity = np.ones((1, scores.shape[0]))
    seen = {int(j): weights[j] * float(flipped_t(scores[:, j], identity)[0]) for j in np.flatnonzero(asked)}
    maximum = np.zeros(len(patterns))
    order = sorted(seen, key=lambda j: seen[j])
    for j in order:
        t = weights[j] * flipped_t(scores[:, j], patterns)
        p[j] = p_joint[j] = np.mean(t * _TIE >= seen[j])
        if able[j]:
            np.maximum(maximum, t, out=maximum)
            p_joint[j] = np.mean(maximum * _TIE >= seen[j])
    family = [j for j in reversed(order) if able[j]]
    p_joint[family] = np.maximum.accumulate(p_joint[family])
    return p, p_joint


def _intervals(
    differences: np.ndarray, columns: list[int], patterns: np.ndarray, weights: np.ndarray, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """Both ends for the columns wanted, of their finite differences.   (n, k) -> (k,), (k,)

    All shifts of the column that the maximum does not reject, the others standing at their means.
    """
    finite = np.where(np.isfinite(differences), differences, np.nan)
    k = finite.shape[1]
    low, high = np.full(k, np.nan), np.full(k, np.nan)
    largest, second, owner = np.zeros(len(patterns)), np.zeros(len(patterns)), np.full(len(patterns), -1)
    for j in (j for j in range(k) if not np.isnan(finite[:, j]).all()):
        t = weights[j] * flipped_t(finite[:, j] - np.nanmean(finite[:, j]), patterns)
        is_larger = t > largest
        second = np.where(is_larger, largest, np.maximum(second, t))
        owner, largest = np.where(is_larger, j, owner), np.maximum(largest, t)
    for j in columns:
        others = np.where(owner == j, second, largest)  # their maximum without column j
        low[j], high[j] = _interval(finite[:, j], patterns, others / (weights[j] or 1.0), alpha)
    return low, high


def _interval(column: np.ndarray, patterns: np.ndarray, others: np.ndarray, alpha: float) -> tuple[float, float]:
    """The shifts d with p(column - d) > alpha, by bisection from the mean; infinite where none is rejected."""
    known = ~np.isnan(column)
    n, center = int(known.sum()), float(np.nanmean(column))
    residuals = np.nan_to_num(column - center)
    sums, counts, spread = patterns @ residuals, patterns @ known, float(residuals @ residuals)

    shares = others * others / (others * others + max(1, n - 1))  # r^2 of a column of n with that |t|

    def is_rejected(shift: float) -> bool:
        squares = n * (spread + n * shift * shift)
        seen = min(n * n * shift * shift / squares, _MOST_FIT) / _TIE
        own = sums - shift * counts
        return bool(np.count_nonzero((own * own >= seen * squares) | (shares >= seen)) <= alpha * len(patterns))

    if n < 2:
        return -math.inf, math.inf
    if spread == 0:
        return (center, center) if 2.0 ** (1 - n) <= alpha else (-math.inf, math.inf)
    step = math.sqrt(spread / n)
    return center + _end(is_rejected, -step), center + _end(is_rejected, step)


def _end(is_rejected: Callable[[float], bool], step: float) -> float:
    """The shift in the direction of `step` from which on all are rejected."""
    near, far = 0.0, step
    for _ in range(12):  # 4,096 standard deviations: farther than any t of a share of 1e-9
        if is_rejected(far):
            break
        near, far = far, 2 * far
    else:
        return math.copysign(math.inf, step)
    for _ in range(16):  # to 2e-5 standard deviations
        middle = (near + far) / 2
        near, far = (near, middle) if is_rejected(middle) else (middle, far)
    return far


def all_pairs(losses: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Each variant minus each later one, seed by seed, and which.   losses (n seeds, k variants) -> (n, k (k-1) / 2)

    inf is a run that diverged: two that did are tied, nan, and say nothing.
    """
    pairs = [(i, j) for i in range(losses.shape[1]) for j in range(i + 1, losses.shape[1])]
    with np.errstate(invalid="ignore"):
        columns = [losses[:, i] - losses[:, j] for i, j in pairs]
    return np.array(columns).T.reshape(len(losses), len(pairs)), pairs


def best_set(
    n_variants: int, pairs: list[tuple[int, int]], differences: np.ndarray, p_joint: np.ndarray, *, alpha: float = 0.05
) -> np.ndarray:
    """Which variants are not shown to be beaten by another: the best is among them.   (n, pairs), (pairs,) -> (k,)

    With p of a family that holds all pairs, the best is left out with a chance of at most alpha (Hsu 1981).
    """
    kept = np.ones(n_variants, dtype=bool)
    for (i, j), column, p in zip(pairs, scores_of(differences).T, p_joint, strict=True):
        if p <= alpha:
            kept[i if np.nansum(column) > 0 else j] = False
    return kept
