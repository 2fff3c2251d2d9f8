"""The variants of exercise 3a as formulas of plain numbers: a temperature, and a target that is a little unsure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Formula:
    """p = softmax(x / T);  loss = -sum_i q_i log p_i,  q_i = (1 - s) [i = target] + s / n"""

    temperature: float = 1.0
    """T."""
    smoothing: float = 0.0
    """s. Szegedy et al. 2016, arXiv:1512.00567."""

    def softmax(self, xs: Sequence[float]) -> list[float]:
        """(n,) -> (n,), stable."""
        largest = max(xs)
        exps = [math.exp((x - largest) / self.temperature) for x in xs]
        total = math.fsum(exps)
        return [e / total for e in exps]

    def wanted(self, n: int, target: int) -> list[float]:
        """q: what p should be."""
        return [(1 - self.smoothing) * (i == target) + self.smoothing / n for i in range(n)]

    def loss(self, xs: Sequence[float], target: int) -> float:
        """In nats."""
        largest = max(xs)
        scaled = [(x - largest) / self.temperature for x in xs]
        log_total = math.log(math.fsum(map(math.exp, scaled)))
        return math.fsum(q * (log_total - z) for q, z in zip(self.wanted(len(xs), target), scaled, strict=True) if q)

    def slopes(self, xs: Sequence[float], target: int) -> list[float]:
        """d loss / d x_i = (p_i - q_i) / T"""
        q = self.wanted(len(xs), target)
        return [(p - w) / self.temperature for p, w in zip(self.softmax(xs), q, strict=True)]

    @property
    def softmax_text(self) -> str:
        """As the student's file says it."""
        x = "x_i" if self.temperature == 1 else f"x_i / {self.temperature:g}"
        return f"p_i = exp({x}) / sum_j exp({x.replace('_i', '_j')})"

    @property
    def loss_text(self) -> str:
        """As the student's file says it."""
        if not self.smoothing:
            return "-log p[target], in nats"
        s = self.smoothing
        return f"-sum_i q_i log p_i, in nats; q_i = {s:g} / n, and {1 - s:g} more where i is the target"
