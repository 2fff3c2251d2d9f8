"""How far a loss can be trusted that was measured with some seeds on some text: both are samples, and they cross."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .intervals import Interval, t_quantile


@dataclass(frozen=True)
class CrossedInterval(Interval):
    """Of a mean over seeds and blocks of text, for other seeds and other text; and what it owes to either.

    nan where there is one block, or one seed and all of the text.
    """

    of_seeds: float
    """Half width for other seeds on this text; nan for one seed."""
    of_text: float
    """Half width for other text with these seeds: 0 where all of it was read."""


def crossed_interval(losses: np.ndarray, *, share_read: float = 0.0, confidence: float = 0.95) -> CrossedInterval:
    """Of the mean of losses, or of differences, by seed and block of text.   losses (n seeds, B blocks)

    y_ij = mean + seed_i + block_j + rest_ij, all random. Its variance is
        [MS_seeds + (1 - f) (MS_blocks - MS_rest)] / (n B),
    the mean squares of a two-way table, f the share of the text that was read: 0 speaks of all text of its kind, 1 of
    this text alone. Degrees of freedom by Satterthwaite 1946 (doi:10.2307/3002019). With one seed it is the interval
    over blocks (Miller 2024, arXiv:2411.00640, for items of a benchmark). Blocks weigh alike.
    """
    losses = np.asarray(losses, dtype=np.float64)
    n, n_blocks = losses.shape
    mean, left = float(losses.mean()), max(0.0, 1 - share_read)
    if n_blocks < 2:
        return CrossedInterval(mean, math.nan, math.nan, math.nan)
    rows, columns = losses.mean(1), losses.mean(0)
    ms_blocks = n * float(np.var(columns, ddof=1))
    if n < 2:
        of_text = _half_width(left * ms_blocks / n_blocks, n_blocks - 1, confidence)
        return CrossedInterval(mean, of_text if left else math.nan, math.nan, of_text)
    ms_seeds = n_blocks * float(np.var(rows, ddof=1))
    rest = losses - rows[:, None] - columns[None, :] + mean
    df_seeds, df_blocks = n - 1, n_blocks - 1
    df_rest = df_seeds * df_blocks
    ms_rest = float(np.sum(rest * rest)) / df_rest
    size = n * n_blocks
    text = left * max(0.0, ms_blocks - ms_rest)  # a variance is never below 0, its estimate may be
    # of ratios, since the square of a mean square may be too small for a float
    df_text = 1 / _over(left * ms_blocks / text, df_blocks, left * ms_rest / text, df_rest) if text else math.inf
    whole = ms_seeds + text
    variance = whole / size
    df = 1 / _over(ms_seeds / whole, df_seeds, text / whole, df_text) if whole else math.inf
    return CrossedInterval(
        mean=mean,
        half_width=_half_width(variance, df, confidence),
        of_seeds=_half_width(ms_seeds / size, df_seeds, confidence),
        of_text=_half_width(text / size, min(df_text, df_blocks), confidence),
    )


def _over(first: float, df_first: float, second: float, df_second: float) -> float:
    return first**2 / df_first + second**2 / df_second


def _half_width(variance: float, df: float, confidence: float) -> float:
    """Degrees of freedom are rounded down: a little wider than they say."""
    return t_quantile((1 + confidence) / 2, max(1, int(min(df, 10_000)))) * math.sqrt(variance)
