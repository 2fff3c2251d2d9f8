"""Which weights of a matrix to keep: by their size, or by their size times that of what they are multiplied with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import ConfigError

Per = Literal["row", "matrix"]


@dataclass(frozen=True)
class Pattern:
    """What share of the weights becomes 0, or `n` of every `m` neighbours in a row."""

    sparsity: float = 0.0
    n: int = 0
    m: int = 0
    """2:4 keeps n = 2 of m = 4; 0: the share."""

    def __post_init__(self) -> None:
        if not 0 <= self.sparsity < 1:
            raise ConfigError(
                f"sparsity={self.sparsity} is no share of the weights that may go: give 0 or more, below 1"
            )
        if self.m and not 0 < self.n < self.m:
            raise ConfigError(f"pattern {self.n}:{self.m} keeps none or all: give e.g. 2:4, which keeps 2 of every 4")

    @property
    def block(self) -> int:
        """Columns that SparseGPT decides on together."""
        return self.m or 32

    @property
    def words(self) -> str:
        """`2:4`, or `50 %`."""
        return f"{self.n}:{self.m}" if self.m else f"{100 * self.sparsity:g} %"


def magnitude(weight: np.ndarray) -> np.ndarray:
    """|w|       (out, in) -> (out, in)"""
    return np.abs(weight)


def wanda(weight: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """|w_ij| ||x_j||, x_j the j-th input over the calibration text       Sun et al. 2023, arXiv:2306.11695"""
    return np.asarray(np.abs(weight) * np.sqrt(np.diag(gram)))


def keep_best(score: np.ndarray, pattern: Pattern, *, per: Per) -> np.ndarray:
    """True for the weights that stay: the highest of each row, of the matrix, or n of every m in a row.

    (out, in) -> (out, in) bool; of equal scores the first stays. The last neighbours of a row may be fewer than m, and
    then as large a share of them stays, rounded up.
    """
    if pattern.m:
        return np.concatenate(
            [_most(part, -(-pattern.n * part.shape[1] // pattern.m)) for part in _neighbours(score, pattern.m)], axis=1
        )
    if per == "row":
        return _most(score, score.shape[1] - round(score.shape[1] * pattern.sparsity))
    return _most(score.reshape(1, -1), score.size - round(score.size * pattern.sparsity)).reshape(score.shape)


def keep_best_of_all(scores: dict[str, np.ndarray], pattern: Pattern) -> dict[str, np.ndarray]:
    """The same over all matrices at once: some may lose more than others."""
    flat = np.concatenate([score.reshape(-1) for score in scores.values()])
    kept = keep_best(flat[None], Pattern(pattern.sparsity), per="matrix")[0]
    ends = np.cumsum([score.size for score in scores.values()])[:-1]
    return {name: part.reshape(scores[name].shape) for name, part in zip(scores, np.split(kept, ends), strict=True)}


def check_rows(masks: dict[str, np.ndarray]) -> None:
    """Raises ConfigError, naming it, for a row of which nothing is left: its output would be 0 whatever is read."""
    for name, mask in masks.items():
        empty = np.flatnonzero(~mask.any(axis=1))
        if len(empty):
            raise ConfigError(
                f"row {empty[0]} of {name} would keep no weight ({len(empty)} of {len(mask)} rows): give a lower "
                "--sparsity, or --method wanda, which keeps as many in every row"
            )


def _neighbours(score: np.ndarray, m: int) -> list[np.ndarray]:
    return [score[:, j : j + m] for j in range(0, score.shape[1], m)]


def _most(score: np.ndarray, n: int) -> np.ndarray:
    """The n highest of each row."""
    order = np.argsort(-score, axis=1, kind="stable")
    mask = np.zeros(score.shape, bool)
    np.put_along_axis(mask, order[:, :n], True, axis=1)
    return mask
