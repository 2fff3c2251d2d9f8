"""Each variant of a study in figures, the best first. Compares nothing: see comparisons.py."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .cells import CellResult
from .statistics import Interval, mean, t_interval
from .study import Study


@dataclass(frozen=True)
class VariantSummary:
    """One variant over its seeds. Losses in nats a token, of the runs that ended well."""

    name: str
    results: tuple[CellResult, ...]
    """By seed, whatever their end."""
    n_missing: int
    """Seeds not run yet."""

    @property
    def ok(self) -> tuple[CellResult, ...]:
        """The runs that ended well."""
        return tuple(result for result in self.results if result.is_ok)

    @property
    def n_bad(self) -> int:
        """Runs that did not: diverged, failed or refused."""
        return len(self.results) - len(self.ok)

    @property
    def ending(self) -> str:
        """How the bad runs ended: `2 of 8 diverged`; empty if none did."""
        words = dict.fromkeys(result.record.status for result in self.results if not result.is_ok)
        return f"{self.n_bad} of {len(self.results)} {'/'.join(words)}" if self.n_bad else ""

    @property
    def val_loss(self) -> Interval:
        """Of the last step: mean and 95 % t interval."""
        return t_interval([result.record.val_loss for result in self.ok])

    def mean_of(self, field: str) -> float:
        """Mean of a field of the records over the seeds that ended well."""
        return mean([getattr(result.record, field) for result in self.ok])

    def mean_of_measured(self, field: str) -> float:
        """The same of what was measured beside the record."""
        return mean([getattr(result.measured, field) for result in self.ok])

    @property
    def has_learned(self) -> bool:
        """Ended below the loss of its first weights, on average."""
        return self.val_loss.mean < self.mean_of("initial_loss")


def summarise(study: Study) -> list[VariantSummary]:
    """Variants by mean validation loss; those with a run that ended badly after them, those without any run last."""
    summaries = []
    for name in study.config.variants:
        results = tuple(result for result in study.results if result.cell.variant == name)
        n_missing = sum(cell.variant == name for cell in study.missing)
        summaries.append(VariantSummary(name, results, n_missing))
    return sorted(summaries, key=_rank)


def is_sound(summary: VariantSummary) -> bool:
    """It was run, and ended well with every seed."""
    return _rank(summary)[0] == 0


def spell(number: float) -> str:
    """Four decimals; few digits where a run exploded; a dash where there is no number."""
    if math.isnan(number):
        return "-"
    return f"{number:.4f}" if abs(number) < 1e4 else f"{number:.2e}"


def _rank(summary: VariantSummary) -> tuple[int, float]:
    if not summary.results:
        return 2, 0.0
    return (1, 0.0) if summary.n_bad else (0, summary.val_loss.mean)
