"""A bigram model by counting: the maximum-likelihood answer that the trained bigram approaches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class BigramCounts:
    """p(next | last) = (1 + pairs seen) / row sum; adding one is Laplace's rule, so nothing is impossible."""

    def __init__(self, pairs: np.ndarray, vocab_size: int) -> None:
        """pairs (N, 2): last and next token"""
        flat = np.bincount(pairs[:, 0] * vocab_size + pairs[:, 1], minlength=vocab_size**2)
        self.counts = flat.reshape(vocab_size, vocab_size) + 1  # (V, V)

    def add(self, pairs: np.ndarray, weight: int) -> None:
        """Count each of the pairs (N, 2) `weight` times more."""
        np.add.at(self.counts, (pairs[:, 0], pairs[:, 1]), weight)

    def log_probabilities(self) -> np.ndarray:
        """(V, V): row = last token, column = next token, in nats"""
        return np.asarray(np.log(self.counts) - np.log(self.counts.sum(-1, keepdims=True)))

    def loss(self, pairs: np.ndarray) -> float:
        """Mean negative log-likelihood of pairs (N, 2), in nats"""
        return float(-self.log_probabilities()[pairs[:, 0], pairs[:, 1]].mean())

    def logits(self, ids: Sequence[int], cache: None = None) -> np.ndarray:
        """(T,) -> (T, V): log-probabilities are logits, and counts^(1/temperature) follows from them."""
        return self.log_probabilities()[list(ids)]
