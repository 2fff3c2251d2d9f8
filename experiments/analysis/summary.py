"""Each variant of a study in figures, the best first. Compares nothing: see comparisons.py."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from ...training.folder.record import RunRecord
from ..ablation.cells import CellResult
from ..ablation.study import Study
from ..statistics.intervals import Interval, mean, t_interval


@dataclass(frozen=True)
class VariantSummary:
    """One variant over its seeds. Losses in nats a token, of the runs that ended well."""

    name: str
    results: tuple[CellResult, ...]
    """By seed, whatever their end."""
    n_missing: int
    """Seeds not run yet."""

    @cached_property
    def ok(self) -> tuple[CellResult, ...]:
        """The runs that ended well."""
        return tuple(result for result in self.results if result.is_ok)

    @property
    def record(self) -> RunRecord | None:
        """Of a run that ended well, or of any, for what all seeds share; None before the first."""
        return next((result.record for result in self.ok or self.results), None)

    @property
    def n_bad(self) -> int:
        """Runs that did not end well: diverged, failed or refused."""
        return len(self.results) - len(self.ok)

    @property
    def ending(self) -> str:
        """How the bad runs ended: `2 of 8 diverged`, `1 of 8 diverged, 1 of 8 failed`; empty if none did."""
        endings = Counter(ending(result) for result in self.results if not result.is_ok)
        return ", ".join(f"{n} of {len(self.results)} {word}" for word, n in endings.items())

    @property
    def seeds(self) -> str:
        """Over how many seeds the figures are: `8`, or `7 of 8` where some did not end well or are not run yet."""
        return part(len(self.ok), len(self.results) + self.n_missing)

    @cached_property
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
    def is_complete(self) -> bool:
        """It was run, and ended well with every seed."""
        return bool(self.results) and not self.n_bad

    @property
    def has_learned(self) -> bool:
        """Ended below the loss of its first weights, on average."""
        return self.val_loss.mean < self.mean_of("initial_loss")


def summarise(study: Study) -> list[VariantSummary]:
    """Variants by mean validation loss, those with a run that ended badly after the others, those without any last.

    Among those with bad runs the ones with more good runs come first.
    """
    results: dict[str, list[CellResult]] = {name: [] for name in study.config.variants}
    for result in study.results:
        results[result.cell.variant].append(result)
    missing = Counter(cell.variant for cell in study.missing)
    return sorted((VariantSummary(name, tuple(found), missing[name]) for name, found in results.items()), key=_rank)


def ending(result: CellResult) -> str:
    """The word for how a run ended: its status, or diverged where the loss is no number."""
    return "diverged" if result.record.status == "ok" and not result.is_ok else result.record.status


def part(n: int, whole: int) -> str:
    """`8` of 8, `7 of 8`."""
    return f"{n:,}" if n == whole else f"{n:,} of {whole:,}"


def _rank(summary: VariantSummary) -> tuple[bool, bool, int, float]:
    n_ok = len(summary.ok)
    fewer = -n_ok if summary.n_bad else 0
    return not summary.results, not summary.is_complete, fewer, summary.val_loss.mean if n_ok else 0.0
