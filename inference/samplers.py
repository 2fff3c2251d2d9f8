"""From logits to the next token."""

from __future__ import annotations

import math

import numpy as np

from ..errors import DivergedError, UsageError


def check_temperature(temperature: float) -> None:
    """Raises UsageError unless it is a number >= 0."""
    if not (math.isfinite(temperature) and temperature >= 0):
        raise UsageError(f"temperature={temperature} is not a number of 0 or more: give e.g. 0.8, or 0 for greedy")


def sample_token(
    logits: np.ndarray, *, temperature: float, rng: np.random.Generator, banned: tuple[int, ...] = ()
) -> int:
    """Draw from softmax(logits / temperature); 0 takes the largest, the first of equals.       logits (V,) -> id

    Banned ids have probability 0. Raises DivergedError where a logit is nan or inf or none is left to draw.
    """
    scores = np.array(logits, dtype=np.float64)
    scores[list(banned)] = -math.inf
    if not math.isfinite(scores.max()):
        raise DivergedError(
            "no token can be drawn: the model's logits are not finite; train it again with a lower --lr"
        )
    if temperature == 0:
        return int(scores.argmax())
    with np.errstate(over="ignore"):  # a tiny temperature: -inf, whose weight is rightly 0
        weights = np.exp((scores - scores.max()) / temperature)
    return int(rng.choice(len(weights), p=weights / weights.sum()))
