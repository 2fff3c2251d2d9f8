"""Seeds until a study is decided: a plan of looks that spends one alpha, so that growing costs no false alarms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from .joint import agree, flipped_t, joint_test, scores_of, sign_patterns

Verdict = Literal["different", "equivalent", "open"]
_TIE = 1e-7


@dataclass(frozen=True, kw_only=True)
class SequentialPlan:
    """At which numbers of seeds the results are read, fixed before the first is. Raises ValueError."""

    looks: tuple[int, ...]
    """Rising; the last is the most seeds. One look is a study of a fixed size."""
    alpha: float = 0.05
    """Chance of any false alarm at any look."""
    margin: float = 0.01
    """A difference within +- margin, as far as its interval can say, is none worth more seeds; in nats a token."""

    def __post_init__(self) -> None:
        if not self.looks or self.looks[0] < 2 or list(self.looks) != sorted(set(self.looks)):
            raise ValueError(f"looks={self.looks} do not rise from 2 or more: give e.g. 8, 12, 16")
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha={self.alpha} is no chance: give e.g. 0.05")
        if not self.margin > 0:
            raise ValueError(f"margin={self.margin} is not above 0: give e.g. 0.01")

    @property
    def least(self) -> int:
        """Seeds of the first look."""
        return self.looks[0]

    @property
    def most(self) -> int:
        """Seeds of the last."""
        return self.looks[-1]

    @cached_property
    def spent(self) -> tuple[float, ...]:
        """Alpha that is spent up to each look: alpha ln(1 + (e - 1) t), t the share of the most seeds.

        Lan and DeMets 1983, doi:10.1093/biomet/70.3.659, with the bounds of Pocock's kind, which decide early.
        """
        return tuple(self._spent_at(n) for n in self.looks)

    @property
    def least_telling(self) -> int:
        """Fewest seeds of a first look that can show a difference, however large; 0 where not even all can.

        The least p of n seeds, 2 of their 2^n patterns of signs, is within what is spent by then.
        """
        return next((n for n in range(2, self.most + 1) if 2.0 ** (1 - n) <= self._spent_at(n)), 0)

    def _spent_at(self, n_seeds: int) -> float:
        return self.alpha * math.log1p((math.e - 1) * n_seeds / self.most)

    def passed(self, n_seeds: int) -> list[int]:
        """The looks for which there are enough seeds."""
        return [n for n in self.looks if n <= n_seeds]


@dataclass(frozen=True)
class Decision:
    """What the looks so far have decided."""

    verdicts: tuple[Verdict, ...]
    """One a comparison."""
    n_seeds: tuple[int, ...]
    """With which each was decided; of the open ones the last look's."""
    low: np.ndarray
    """Ends of each interval at that look; all intervals at all looks hold with a chance of 1 - alpha.   (k,)"""
    high: np.ndarray
    spent: float
    """Of alpha, up to the last look."""
    next_look: int
    """Seeds that the open comparisons should have next; 0 where the study is decided, or was looked at for the last
    time."""

    @property
    def stop(self) -> bool:
        """No comparison needs more seeds, or none may have more."""
        return self.next_look == 0


def decide(differences: np.ndarray, plan: SequentialPlan) -> Decision:
    """The verdict on each column after the looks that its seeds allow.   differences (n seeds, k comparisons)

    nan and inf as in joint_test. A comparison that is decided at a look may have no later seeds: they are not read.
    The same patterns of signs, of `plan.most` seeds, serve at all looks. At each the patterns of the largest |t| among
    the open comparisons are spent, as many as the plan allows in all; those spent before are out. The seen pattern is
    as likely as any other to be spent, if nothing differs, so that the level is exact without any distribution.
    Within a look, comparisons shown to differ leave the family, and the rest is looked at again (step-down).
    """
    differences = np.asarray(differences, dtype=np.float64)
    k, looks = differences.shape[1], plan.passed(len(differences))
    found = _Looks(differences, plan)
    verdicts: list[Verdict] = ["open"] * k
    decided_at, low, high = np.full(k, looks[-1] if looks else 0), np.full(k, np.nan), np.full(k, np.nan)
    for i, n in enumerate(looks):
        is_open = [j for j in range(k) if verdicts[j] == "open" and found.has_all(j, n)]
        if not is_open:
            continue
        different = found.different(is_open, i)
        level = plan.spent[i] - (plan.spent[i - 1] if i else 0.0)  # the intervals of all looks together spend alpha
        test = joint_test(differences[:n, is_open], alpha=level)
        agree(test.low, test.high, np.array([j in different for j in is_open]), differences[:n, is_open])
        low[is_open], high[is_open], decided_at[is_open] = test.low, test.high, n
        for j in is_open:
            if j in different:
                verdicts[j] = "different"
            elif -plan.margin < low[j] and high[j] < plan.margin:
                verdicts[j] = "equivalent"
    later = [n for n in plan.looks if n > (looks[-1] if looks else 0)]
    return Decision(
        verdicts=tuple(verdicts),
        n_seeds=tuple(int(n) for n in decided_at),
        low=low,
        high=high,
        spent=plan.spent[len(looks) - 1] if looks else 0.0,
        next_look=later[0] if later and "open" in verdicts else 0,
    )


class _Looks:
    """|t| of each comparison at each look, under all patterns; computed once."""

    def __init__(self, differences: np.ndarray, plan: SequentialPlan) -> None:
        self.differences, self.plan = differences, plan
        self.patterns = sign_patterns(plan.most)
        self._known: dict[tuple[int, int], np.ndarray] = {}

    def has_all(self, j: int, n: int) -> bool:
        """The comparison has a pair of the last seeds of this look: it was not left behind at an earlier one."""
        before = max((m for m in self.plan.looks if m < n), default=0)
        return not np.isnan(self.differences[before:n, j]).all()

    def t(self, j: int, i: int) -> np.ndarray:
        """Of comparison j at look i.   (P,)"""
        if (j, i) not in self._known:
            n = self.plan.looks[i]
            column = scores_of(self.differences[:n, [j]])[:, 0]
            self._known[j, i] = flipped_t(column, self.patterns[:, :n])
        return self._known[j, i]

    def different(self, is_open: list[int], last: int) -> set[int]:
        """Those of the open comparisons that are shown to differ at look `last`, or would have been in a smaller
        family at a look before it."""
        found: set[int] = set()
        while len(found) < len(is_open):
            family = [j for j in is_open if j not in found]
            bounds = self._bounds(family, last)
            new = {j for j in family for i in range(last + 1) if self.t(j, i)[0] > bounds[i]}
            if not new:
                break
            found |= new
        return found

    def _bounds(self, family: list[int], last: int) -> list[float]:
        """What |t| must exceed at each look: patterns above it are spent, as many as the plan has room for."""
        alive, n_spent, bounds = np.ones(len(self.patterns), dtype=bool), 0, []
        for i in range(last + 1):
            largest = np.maximum.reduce([self.t(j, i) for j in family])
            room = math.floor(self.plan.spent[i] * len(self.patterns) + 1e-9) - n_spent
            left = np.sort(largest[alive])
            bound = float(left[-1 - room]) * (1 + _TIE) if room < len(left) else -1.0
            spent_now = alive & (largest > bound)
            n_spent += int(spent_now.sum())
            alive &= ~spent_now
            bounds.append(bound)
        return bounds
