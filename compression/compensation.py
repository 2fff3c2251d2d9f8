"""Columns of a weight settled one after the other, each error made up for by the columns that are still open.

GPTQ, where a column is rounded:      Frantar et al. 2022, arXiv:2210.17323
SparseGPT, where it is left out:      Frantar and Alistarh 2023, arXiv:2301.00774
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..checkpoints.formats.packing import Stored, StoredType
from .importance import Pattern, keep_best
from .rounding import nearest, scales

DAMPING = 0.01
"""Added to the diagonal of X^T X, as a share of its mean: inputs that hardly occur must not move what does."""


class Rule(Protocol):
    """What becomes of a column."""

    def settle(self, j: int, weight: np.ndarray, pivots: np.ndarray) -> np.ndarray:
        """Column j of the weight as it is now, settled       (out, in), (in,) -> (out,)

        pivots: U_jj; (w_j / U_jj)^2 is what leaving out w_j costs, the others made the best of.
        """


def compensate(weight: np.ndarray, gram: np.ndarray, rule: Rule, *, damping: float = DAMPING) -> np.ndarray:
    """The weight with all columns settled so that |(W' - W) X|^2 stays small       (out, in), (in, in) -> (out, in)

    H = X^T X + damping mean(diag) I,   H^-1 = U^T U,   e = (w_j - w'_j) / U_jj,   w_k -= e U_jk  for k > j
    """
    w = np.array(weight, np.float64)
    factor = inverse_factor(gram, damping)
    pivots = np.diag(factor).copy()
    for j in range(w.shape[1]):
        settled = rule.settle(j, w, pivots)
        error = (w[:, j] - settled) / pivots[j]
        w[:, j] = settled
        w[:, j + 1 :] -= np.outer(error, factor[j, j + 1 :])
    return w.astype(np.float32)


def inverse_factor(gram: np.ndarray, damping: float = DAMPING) -> np.ndarray:
    """U, upper triangular, of H^-1 = U^T U       (n, n) -> (n, n)"""
    h = damped(gram, damping)
    return np.asarray(np.linalg.cholesky(np.linalg.inv(h)).T)


def damped(gram: np.ndarray, damping: float = DAMPING) -> np.ndarray:
    """H = X^T X + damping mean(diag) I; of inputs that are all 0, I."""
    level = damping * float(np.mean(np.diag(gram)))
    return np.asarray(gram, np.float64) + (level or 1.0) * np.eye(len(gram))


class Rounding:
    """GPTQ: a column becomes the nearest one of its type; a group's scales are set as its first column is met."""

    def __init__(self, dtype: StoredType, group: int, shape: tuple[int, int]) -> None:
        self.dtype, self.group = dtype, group if 0 < group < shape[1] else 0
        self.width = self.group or shape[1]
        self.found: list[np.ndarray] = []

    def settle(self, j: int, weight: np.ndarray, pivots: np.ndarray) -> np.ndarray:
        """Rounded to nearest."""
        if j % self.width == 0:
            self.found.append(scales(weight[:, j : j + self.width].astype(np.float32), self.dtype, 0))
        return nearest(weight[:, j : j + 1], self.found[-1], self.dtype)[:, 0]

    @property
    def stored(self) -> Stored:
        """How the settled weight is stored."""
        return Stored(self.dtype, self.group, np.concatenate(self.found, axis=1))


class Leaving:
    """SparseGPT: of each block of columns those weights become 0 that cost least."""

    def __init__(self, pattern: Pattern, shape: tuple[int, int]) -> None:
        self.pattern, self.mask = pattern, np.ones(shape, bool)

    def settle(self, j: int, weight: np.ndarray, pivots: np.ndarray) -> np.ndarray:
        """0 where the mask leaves it out."""
        width = self.pattern.block
        if j % width == 0:
            cost = (weight[:, j : j + width] / pivots[j : j + width]) ** 2
            self.mask[:, j : j + width] = keep_best(cost, self.pattern, per="matrix")
        return np.asarray(weight[:, j] * self.mask[:, j])
