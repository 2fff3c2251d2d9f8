"""The optimizers of exercise 9a, number by number, each with a place for every mistake that people make in one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

B1, B2, EPS = 0.9, 0.99, 1e-8
Update = Callable[..., tuple[float, float, float]]


@dataclass(frozen=True)
class Rule:
    """How one number moves. t counts steps from 1; m and v begin as 0."""

    second: Literal["square", "max", "belief", "yogi"] = "square"
    """What v remembers: g^2, the largest |g|, (g - m)^2, or g^2 in steps that do not depend on v's size."""
    nesterov: bool = False
    """m is taken one step ahead."""
    decoupled: bool = True
    """Decay acts on p itself, not through g."""
    eps_inside: bool = False
    """Under the root."""

    def formula(self) -> str:
        """In lines, for a starter."""
        lines = [] if self.decoupled else ["g     = g + decay p"]
        lines.append("m     = b1 m + (1 - b1) g")
        lines.append(
            {
                "square": "v     = b2 v + (1 - b2) g^2",
                "max": "v     = max(b2 v, |g|)",
                "belief": "v     = b2 v + (1 - b2) (g - m)^2              with the new m",
                "yogi": "v     = v - (1 - b2) sign(v - g^2) g^2           sign(0) = 0",
            }[self.second]
        )
        lines.append("m_hat = m / (1 - b1^t)")
        if self.nesterov:
            lines.append("m_bar = b1 m_hat + (1 - b1) g / (1 - b1^t)")
        if self.second == "max":
            size = "(v + eps)"
        else:
            lines.append("v_hat = v / (1 - b2^t)")
            size = "sqrt(v_hat + eps)" if self.eps_inside else "(sqrt(v_hat) + eps)"
        move = f"{'m_bar' if self.nesterov else 'm_hat'} / {size}"
        lines.append(f"p     = p - lr ({move} + decay p)" if self.decoupled else f"p     = p - lr {move}")
        return "\n    ".join(lines)


@dataclass(frozen=True)
class Spelling:
    """The right one; each field is a place where a mistake goes in."""

    corrects: Literal["divides", "never", "multiplies", "late"] = "divides"
    sign: float = -1.0
    squares: bool = True
    roots: bool = True
    swapped: bool = False
    keeps_corrected: bool = False
    decays: Literal["once", "never", "without lr"] = "once"
    forgets: bool = False
    """m and v begin anew in each step."""
    uses_g: bool = False
    """In place of m."""
    old_m: bool = False
    """In v: the mean of the steps before."""

    def __call__(self, rule: Rule) -> Update:
        def update(
            p: float, g: float, m: float, v: float, t: int, *, lr: float, decay: float
        ) -> tuple[float, float, float]:
            b1, b2 = (B2, B1) if self.swapped else (B1, B2)
            decay = 0.0 if self.decays == "never" else decay
            if self.forgets:
                m = v = 0.0
            g = g if rule.decoupled else g + decay * p
            before, m = m, b1 * m + (1 - b1) * g
            v = self._second(rule, g, before if self.old_m else m, v, b2)
            m_hat = self._corrected(m, b1, t)
            v_hat = v if rule.second == "max" else self._corrected(v, b2, t)
            ahead = b1 * m_hat + (1 - b1) * self._corrected(g, b1, t) if rule.nesterov else m_hat
            ahead = g if self.uses_g else ahead
            move = self.sign * lr * ahead / self._size(rule, v_hat)
            if rule.decoupled:
                move -= (1.0 if self.decays == "without lr" else lr) * decay * p
            return (p + move, m_hat, v_hat) if self.keeps_corrected else (p + move, m, v)

        return update

    def _second(self, rule: Rule, g: float, m: float, v: float, b2: float) -> float:
        square = g * g if self.squares else abs(g)
        if rule.second == "max":
            return max(b2 * v, abs(g))
        if rule.second == "belief":
            return b2 * v + (1 - b2) * ((g - m) ** 2 if self.squares else abs(g - m))
        if rule.second == "yogi":
            return v - (1 - b2) * ((v > square) - (v < square)) * square
        return b2 * v + (1 - b2) * square

    def _corrected(self, x: float, b: float, t: int) -> float:
        if self.corrects == "never":
            return x
        share = 1 - b ** (t + (self.corrects == "late"))
        return x * share if self.corrects == "multiplies" else x / share

    def _size(self, rule: Rule, v_hat: float) -> float:
        if rule.second == "max" or not self.roots:
            return v_hat + EPS
        return math.sqrt(v_hat + EPS) if rule.eps_inside else math.sqrt(v_hat) + EPS


VARIANTS = {
    "AdamW": Rule(),
    "Adam": Rule(decoupled=False),
    "NAdamW": Rule(nesterov=True),
    "NAdam": Rule(nesterov=True, decoupled=False),
    "AdaMax": Rule(second="max"),
    "AdaBelief": Rule(second="belief"),
    "Yogi": Rule(second="yogi"),
    "AdamW, eps under the root": Rule(eps_inside=True),
    "AdaMax with decay in g": Rule(second="max", decoupled=False),
}
