"""Is a difference real? Paired tests, correction for asking often, bootstrap, and how many seeds an answer takes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .intervals import incomplete_beta, mean, standard_deviation, t_quantile

MOST_EXACT = 20
"""Up to so many differences every pattern of signs is tried: a million of them."""
_DRAWS = 100_000
MOST_SEEDS = 1000
"""More are not counted by seeds_needed."""
_Z = 1.959963984540054
"""97.5 % quantile of the normal distribution."""


def paired_t_p(differences: Sequence[float]) -> float:
    """Two-sided p of t = mean / (s / sqrt(n)), df = n - 1; nan below two differences.

    p = I_x(df/2, 1/2) with x = df / (df + t^2). Student 1908. Assumes that differences scatter about normally.
    """
    n = len(differences)
    if n < 2:
        return math.nan
    center, s = mean(differences), standard_deviation(differences)
    if s == 0:
        return 1.0 if center == 0 else 0.0
    df, t = n - 1, center / (s / math.sqrt(n))
    return incomplete_beta(df / (df + t * t), df / 2, 0.5)


def sign_flip_p(differences: Sequence[float], *, seed: int = 0) -> float:
    """The share of the 2^n patterns of signs whose |sum| is at least the one seen; nan of nothing.

    Exact if the two variants of a pair could as well be swapped: no normal distribution is assumed. Fisher 1935,
    The Design of Experiments, 21. Above 20 differences 100,000 drawn patterns and the seen one stand for all.
    """
    d = np.asarray(differences, dtype=np.float64)
    n = len(d)
    if n == 0:
        return math.nan
    seen = abs(d.sum()) - 1e-12 * np.abs(d).sum()  # patterns that tie with it do so within rounding only
    if n > MOST_EXACT:
        rng, drawn = np.random.default_rng(seed), np.zeros(_DRAWS)
        for x in d:
            drawn += rng.choice((-x, x), size=_DRAWS)
        return float(1 + np.count_nonzero(np.abs(drawn) >= seen)) / (1 + _DRAWS)
    sums = d[:1]  # the first sign may stay: a pattern and its mirror image have the same |sum|
    for x in d[1:]:
        sums = np.concatenate((sums + x, sums - x))
    return float(np.count_nonzero(np.abs(sums) >= seen)) / len(sums)


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p corrected for the number of questions: max over p_j <= p_i of (m - rank_j) p_j, at most 1; nan stays.

    Reject what is below alpha, and the chance of even one false alarm in the study stays below alpha. Holm 1979.
    """
    order = sorted((i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: p_values[i])
    corrected = [math.nan] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[i]))
        corrected[i] = highest
    return corrected


def bootstrap_interval(
    values: Sequence[float], *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Percentiles of the means of samples drawn anew from the values, with replacement; (nan, nan) below two values.

    Efron 1979. Assumes no distribution, but is too narrow for few values: see bootstrap_narrowness.
    """
    if len(values) < 2:
        return math.nan, math.nan
    drawn = np.random.default_rng(seed).integers(0, len(values), size=(resamples, len(values)))
    means = np.asarray(values, dtype=np.float64)[drawn].mean(1)  # (resamples,)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def bootstrap_narrowness(n: int) -> float:
    """The share by which the 95 % bootstrap interval of n normal values falls short of Student's: 22 % for 8.

    It is about z s sqrt((n - 1) / n) / sqrt(n) wide on each side, Student's t s / sqrt(n); nan below two values.
    """
    if n < 2:
        return math.nan
    return 1 - _Z * math.sqrt((n - 1) / n) / t_quantile(0.975, n - 1)


def power(n: int, effect: float, alpha: float = 0.05) -> float:
    """Chance that the paired t-test of n differences finds a true mean of `effect` standard deviations.

    P(|T| > t_(1 - alpha/2)) for the noncentral T = (Z + effect sqrt(n)) / s, s^2 of chi^2_df / df, df = n - 1:
    the integral over s of P(|Z + effect sqrt(n)| > t s), by the trapezoidal rule.
    """
    if n < 2:
        return 0.0
    df, shift, t = n - 1, abs(effect) * math.sqrt(n), t_quantile(1 - alpha / 2, n - 1)
    reach = 8 / math.sqrt(2 * df)  # s scatters about 1 with a standard deviation of 1 / sqrt(2 df)
    s = np.linspace(max(1e-9, 1 - reach), 1 + reach, 801)
    log_density = math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2) + (df - 1) * np.log(s) - df * s * s / 2
    beyond = [_upper_tail(t * x - shift) + _upper_tail(t * x + shift) for x in s.tolist()]
    return min(1.0, float(np.trapezoid(np.exp(log_density) * np.array(beyond), s)))


def seeds_needed(
    effect: float, *, comparisons: int = 1, alpha: float = 0.05, wanted: float = 0.8, most: int = MOST_SEEDS
) -> int:
    """Seeds with which a difference of `effect` standard deviations is found with a chance of 80 %.

    The level is shared among the comparisons; more than `most` is answered with `most`.
    """
    share = alpha / comparisons
    low, high = least_seeds(comparisons, alpha) - 1, most
    while high - low > 1:
        middle = (low + high) // 2
        found = power(middle, effect, exact_level(middle, share)) >= wanted
        low, high = (low, middle) if found else (middle, high)
    return high


def exact_level(n: int, alpha: float = 0.05) -> float:
    """The largest p of the sign-flip test that is at most alpha: its p are multiples of 2 / 2^n."""
    steps = 2.0 ** (n - 1)
    return math.floor(alpha * steps) / steps


def least_seeds(comparisons: int = 1, alpha: float = 0.05) -> int:
    """The fewest seeds whose smallest p, 2 / 2^n, survives the correction: 2 / 2^n * comparisons <= alpha."""
    return max(2, math.ceil(math.log2(2 * comparisons / alpha)))


def _upper_tail(z: float) -> float:
    """P(Z > z) of the normal distribution."""
    return math.erfc(z / math.sqrt(2)) / 2
