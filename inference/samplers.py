"""From logits to the next token: the largest, or one drawn from a distribution that filters have cut.

Nothing is sorted unless top-p asks for it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DivergedError, UsageError


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a token is chosen. What is not 0 or off is applied in the order of the fields, penalty first.

        z      logits, those of tokens in the text so far penalised
        p    = softmax(z / temperature)
        keep   top_k of p, of these top_p, of these min_p; draw from what is left, in proportion to p

    Of equal logits the lowest id comes first, so every cut keeps an exact number of tokens. Raises UsageError.
    """

    repetition_penalty: float = 1.0
    """Logits of tokens in the text so far: z / penalty where z > 0, else z * penalty. 1 is off, above 1 they become
    less likely, however often they stand there. Keskar et al. 2019, arXiv:1909.05858, section 4.1 (CTRL, which divides
    whatever the sign; with negative logits that would favour repetition, so it is multiplied, as is usual since)."""
    temperature: float = 0.8
    """0 is greedy: the largest logit, after the penalty; the filters below cannot change that."""
    top_k: int = 0
    """Keep the k likeliest. 0 is off, 1 greedy; V and more keep all. Fan et al. 2018, arXiv:1805.04833."""
    top_p: float = 1.0
    """Keep the shortest run of the likeliest whose probabilities sum to p or more, the one that crosses p included.
    0 keeps only the likeliest, 1 is off. Holtzman et al. 2020, arXiv:1904.09751."""
    min_p: float = 0.0
    """Keep what is at least this share of the likeliest one's probability. 0 is off; 1 keeps the likeliest and its
    equals. Nguyen et al. 2024, arXiv:2407.01082."""

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        check_whole("top_k", self.top_k)
        for name, off in (("top_p", 1), ("min_p", 0)):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise UsageError(f"{name}={share} is no share of 1: give a number from 0 to 1, where {off} is off")
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            raise UsageError(
                f"repetition_penalty={self.repetition_penalty} is not a number above 0: give e.g. 1.2, or 1 for none"
            )

    @property
    def is_greedy(self) -> bool:
        """Nothing is left to chance."""
        return self.temperature == 0 or self.top_k == 1 or self.top_p == 0


def check_whole(name: str, value: object, least: int = 0) -> None:
    """Raises UsageError unless the value is a whole number of `least` or more."""
    if not isinstance(value, int | np.integer):
        raise UsageError(f"{name}={value!r} is no whole number: give {least} or more")
    if value < least:
        raise UsageError(f"{name}={value} is too small: give {least} or more")


def check_temperature(temperature: float) -> None:
    """Raises UsageError unless it is a number >= 0."""
    if not (math.isfinite(temperature) and temperature >= 0):
        raise UsageError(f"temperature={temperature} is not a number of 0 or more: give e.g. 0.8, or 0 for greedy")


def sample_token(
    logits: np.ndarray,
    sampling: Sampling,
    rng: np.random.Generator,
    *,
    banned: Sequence[int] = (),
    seen: Collection[int] = (),
) -> int:
    """Draw the next token's id.       logits (V,) -> id

    Banned ids have probability 0; `seen` are the ids that the repetition penalty is for. Raises DivergedError where a
    logit is nan or inf, or none is left to draw.
    """
    scores = _scores(logits, sampling.repetition_penalty, banned, seen)
    if sampling.is_greedy:
        return int(scores.argmax())
    summed = _weights(scores, sampling).cumsum()
    return int(summed.searchsorted(rng.random() * summed[-1], side="right"))  # the first sum above the draw


def probabilities(
    logits: np.ndarray, sampling: Sampling, *, banned: Sequence[int] = (), seen: Collection[int] = ()
) -> np.ndarray:
    """What `sample_token` draws from.       logits (V,) -> (V,), float64, sum 1

    >>> probabilities(np.log([0.1, 0.2, 0.4, 0.3]), Sampling(temperature=1, top_k=2)).round(3).tolist()
    [0.0, 0.0, 0.571, 0.429]
    """
    scores = _scores(logits, sampling.repetition_penalty, banned, seen)
    if sampling.is_greedy:
        return np.asarray(np.arange(len(scores)) == scores.argmax(), dtype=np.float64)
    weights = _weights(scores, sampling)
    return weights / weights.sum()


def log_softmax(logits: np.ndarray, *, banned: Sequence[int] = ()) -> np.ndarray:
    """log p of each token, untouched by any setting; -inf for banned ids.       logits (V,) -> (V,), float64"""
    scores = _scores(logits, 1.0, banned, ())
    shifted = scores - scores.max()
    return shifted - math.log(np.exp(shifted).sum())


def largest(values: np.ndarray, k: int) -> np.ndarray:
    """Indices of the k largest in descending order, of equals the lowest first; all of fewer.       (V,) -> (k,)

    >>> largest(np.array([1.0, 3.0, 2.0, 3.0]), 3).tolist()
    [1, 3, 2]
    """
    found = np.flatnonzero(_among_largest(values, k)) if k < len(values) else np.arange(len(values))
    return found[np.argsort(-values[found], kind="stable")]


def _scores(logits: np.ndarray, penalty: float, banned: Sequence[int], seen: Collection[int]) -> np.ndarray:
    """Logits in float64, penalised, banned ones -inf.       (V,) -> (V,)"""
    scores = np.array(logits, dtype=np.float64)
    if banned:
        scores[list(banned)] = -math.inf
    if penalty != 1 and seen:
        ids = list(seen)
        z = scores[ids]
        with np.errstate(over="ignore"):  # -1e308 times 2 is as unlikely as can be
            scores[ids] = np.where(z > 0, z / penalty, z * penalty)
    if not math.isfinite(scores.max()):
        raise DivergedError(
            "no token can be drawn: the model's logits are not finite; train it again with a lower --lr"
        )
    return scores


def _weights(scores: np.ndarray, sampling: Sampling) -> np.ndarray:
    """exp((z - max z) / temperature), 0 for what the filters cut; the largest is 1.       (V,) -> (V,)"""
    with np.errstate(over="ignore", under="ignore"):  # a tiny temperature: -inf, whose weight is rightly 0
        weights = np.exp((scores - scores.max()) / sampling.temperature)
    if 0 < sampling.top_k < len(weights):
        weights[~_among_largest(scores, sampling.top_k)] = 0
    if sampling.top_p < 1:
        weights = _nucleus(scores, weights, sampling.top_p)
    if sampling.min_p > 0:
        weights[weights < sampling.min_p] = 0
    return weights


def _nucleus(scores: np.ndarray, weights: np.ndarray, top_p: float) -> np.ndarray:
    """The weights, 0 outside the shortest run of the largest that has `top_p` of their sum.       (V,) -> (V,)

    Weights below (1 - p) sum / V have together less than 1 - p: the run ends before them, and they need no sorting.
    """
    total = weights.sum()
    likely = np.flatnonzero(weights >= (1 - top_p) * total / len(weights))
    order = likely[np.argsort(-scores[likely], kind="stable")]
    n_kept = weights[order].cumsum().searchsorted(top_p * total) + 1
    kept = np.zeros_like(weights)
    kept[order[:n_kept]] = weights[order[:n_kept]]
    return kept


def _among_largest(values: np.ndarray, k: int) -> np.ndarray:
    """Which of the values are the k largest, 0 < k < V: all above the k-th, and of its equals the first.

    (V,) -> (V,), bool
    """
    least = np.partition(values, -k)[-k]
    chosen = values > least
    chosen[np.flatnonzero(values == least)[: k - int(chosen.sum())]] = True
    return chosen
