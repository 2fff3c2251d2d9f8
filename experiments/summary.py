"""What a study found: each variant in figures, the best first, and sentences that claim no more than those show."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .statistics import Interval, mean, t_interval
from .study import CellResult, Study


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
    def n_diverged(self) -> int:
        """Runs that did not."""
        return len(self.results) - len(self.ok)

    @property
    def val_loss(self) -> Interval:
        """Of the last step: mean and 95 % t interval."""
        return t_interval([result.record.val_loss for result in self.ok])

    def mean_of(self, field: str) -> float:
        """Mean of a field of the records over the seeds that ended well."""
        return mean([getattr(result.record, field) for result in self.ok])

    @property
    def has_learned(self) -> bool:
        """Ended below the loss of its first weights, on average."""
        return self.val_loss.mean < self.mean_of("initial_loss")


@dataclass(frozen=True)
class Finding:
    """Which variants lead, among those that ended well with every seed."""

    ranking: tuple[VariantSummary, ...]
    """The best first; at least one."""

    @property
    def best(self) -> VariantSummary:
        """Lowest mean validation loss."""
        return self.ranking[0]

    @property
    def second(self) -> VariantSummary | None:
        """The next, if there is one."""
        return self.ranking[1] if len(self.ranking) > 1 else None

    @property
    def difference(self) -> float:
        """Mean validation loss of the second minus that of the best."""
        return self.second.val_loss.mean - self.best.val_loss.mean if self.second else math.nan

    @property
    def has_intervals(self) -> bool:
        """Every variant has two seeds or more."""
        return all(math.isfinite(summary.val_loss.half_width) for summary in self.ranking)

    @property
    def leaders(self) -> tuple[VariantSummary, ...]:
        """The best, and those after it whose intervals overlap with its own without a gap in the ranking."""
        n = 1
        while n < len(self.ranking) and self.ranking[n].val_loss.overlaps(self.best.val_loss):
            n += 1
        return self.ranking[:n]

    @property
    def gap(self) -> float:
        """Mean validation loss of the first behind the leaders minus that of the best."""
        following = self.ranking[len(self.leaders) :]
        return following[0].val_loss.mean - self.best.val_loss.mean if following else math.nan


def summarise(study: Study) -> list[VariantSummary]:
    """Variants by mean validation loss; those with a diverged run after them, those without any run last."""
    summaries = []
    for name in study.config.variants:
        results = tuple(result for result in study.results if result.cell.variant == name)
        n_missing = sum(cell.variant == name for cell in study.missing)
        summaries.append(VariantSummary(name, results, n_missing))
    return sorted(summaries, key=_rank)


def find(summaries: list[VariantSummary]) -> Finding | None:
    """The finding, or None where no variant ended well with every seed that was run."""
    sound = tuple(summary for summary in summaries if _rank(summary)[0] == 0)
    return Finding(sound) if sound else None


def headline(finding: Finding | None) -> str:
    """The finding in a line or two for a figure. Differences in nats a token."""
    if finding is None:
        return "Every variant diverged"
    best, second, leaders = finding.best.name, finding.second, finding.leaders
    if second is None:
        return f"{best} ends at {spell(finding.best.val_loss.mean)} nats"
    if not finding.has_intervals:
        return f"{best} leads {second.name} by {spell(finding.difference)} nats; too few seeds to tell"
    if len(leaders) == 1:
        return f"{best} is best, {spell(finding.difference)} nats ahead of {second.name}"
    if len(leaders) == len(finding.ranking):
        return f"No clear winner: {best} leads {second.name} by {spell(finding.difference)} nats"
    names = f"{best} and {second.name}" if len(leaders) == 2 else f"{best} and {len(leaders) - 1} others"
    return f"{names} lead; the rest end {spell(finding.gap)} nats or more behind"


def spell(number: float) -> str:
    """Four decimals; few digits where a run exploded; a dash where there is no number."""
    if math.isnan(number):
        return "-"
    return f"{number:.4f}" if abs(number) < 1e4 else f"{number:.2e}"


def _rank(summary: VariantSummary) -> tuple[int, float]:
    if not summary.results:
        return 2, 0.0
    return (1, 0.0) if summary.n_diverged else (0, summary.val_loss.mean)
