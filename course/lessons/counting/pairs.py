"""What the exercises of lesson 4 count: which tokens make a pair, and how a pair that was never seen is treated."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Documents = Sequence[Sequence[int]]
Table = list[list[float]]


@dataclass(frozen=True)
class Counting:
    """From one token to the one `step` places on (-1: the one before it), smoothed by `add`, or mixed with chance."""

    step: int = 1
    add: float = 0.0
    mix: float = 0.0
    """Share of the counts, where the rest is 1/V; 0 where `add` smooths."""

    @property
    def words(self) -> str:
        """From which token to which one."""
        return {
            1: "each token to the one after it",
            2: "each token to the one two places on (a model that skips a letter)",
            -1: "each token to the one before it (a model that reads from right to left)",
        }[self.step]

    @property
    def formula(self) -> str:
        """p(b | a) where N(a, b) pairs were seen, N(a) of them from a."""
        if self.mix:
            return f"{self.mix:g} N(a, b) / N(a) + {1 - self.mix:g} / V,   or 1 / V where N(a) = 0"
        return f"(N(a, b) + {self.add:g}) / (N(a) + {self.add:g} V)"

    def pairs(self, documents: Documents) -> Iterator[tuple[int, int]]:
        """(from, to) of each document, none across two of them."""
        for ids in documents:
            yield from self.pairs_of(ids)

    def pairs_of(self, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Of one document."""
        if self.step < 0:
            return list(zip(ids[1:], ids, strict=False))
        return list(zip(ids, ids[self.step :], strict=False))

    def smoothed(self, n: float, row: float, size: int) -> float:
        """p of a pair that was seen n times in a row of `row`"""
        if self.mix:
            return self.mix * n / row + (1 - self.mix) / size if row else 1 / size
        return (n + self.add) / (row + self.add * size)


VARIANTS = {
    "one more each": Counting(add=1.0),
    "half more each": Counting(add=0.5),
    "a tenth more each": Counting(add=0.1),
    "a tenth by chance": Counting(mix=0.9),
    "skipping, one more": Counting(step=2, add=1.0),
    "skipping, half more": Counting(step=2, add=0.5),
    "skipping, by chance": Counting(step=2, mix=0.8),
    "from the right, one more": Counting(step=-1, add=1.0),
    "from the right, a quarter more": Counting(step=-1, add=0.25),
    "from the right, by chance": Counting(step=-1, mix=0.9),
}


def counts(v: Counting, documents: Documents, size: int) -> list[list[int]]:
    """N(a, b)       -> (V, V)"""
    table = [[0] * size for _ in range(size)]
    for a, b in v.pairs(documents):
        table[a][b] += 1
    return table


def drawn(rng: random.Random, n_documents: int, size: int) -> list[list[int]]:
    """Documents of unequal lengths between two 0s, in which some letters are commoner than others."""
    weights = [1 / (1 + i) ** 1.2 for i in range(size - 1)]
    return [
        [0, *rng.choices(range(1, size), weights, k=3 + (5 * i + rng.randrange(3)) % 11), 0] for i in range(n_documents)
    ]


def random_table(rng: random.Random, size: int) -> Table:
    """Rows that sum to 1, no number 0."""
    rows = [[0.1 + rng.random() for _ in range(size)] for _ in range(size)]
    return [[x / math.fsum(row) for x in row] for row in rows]
