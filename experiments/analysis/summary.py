"""Each variant of a study in figures, the best first. Compares nothing: see comparisons.py."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...training.folder.record import RunRecord
from ..ablation.cells import CellResult, compared_loss
from ..ablation.study import Study
from ..statistics.crossed import CrossedInterval, crossed_interval
from ..statistics.intervals import Interval, mean, t_interval

_LEARNED = 0.1
"""Nats a token; a bigram of letters learns about one."""


@dataclass(frozen=True)
class VariantSummary:
    """One variant over its seeds. Losses in nats a token, of the runs that ended well."""

    name: str
    results: tuple[CellResult, ...]
    """By seed, whatever their end."""
    n_missing: int
    """Seeds not run yet."""
    losses: tuple[float, ...]
    """Of the runs that ended well, by seed: what is compared, see compared_loss."""

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
        """Of the last step: mean and 95 % t interval of the seeds, for this text."""
        return t_interval(self.losses)

    @cached_property
    def on_text(self) -> CrossedInterval | None:
        """Mean over seeds and blocks of text, for other text of the kind, too; None where a run kept no blocks."""
        blocks = blocks_of(self.ok)
        return None if blocks is None else crossed_interval(blocks)

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
        """Ended below its first weights and below a guess among all tokens alike, by a tenth of a nat on average."""
        guess = min(self.mean_of("initial_loss"), math.log(max(1.0, self.mean_of("vocab_size"))))
        return self.mean_of("val_loss") < guess - _LEARNED


def summarise(study: Study) -> list[VariantSummary]:
    """Variants by mean validation loss, those with a run that ended badly after the others, those without any last.

    Among those with bad runs the ones with more good runs come first.
    """
    loss_of = compared_loss(study.results)
    results: dict[str, list[CellResult]] = {name: [] for name in study.config.variants}
    for result in study.results:
        results[result.cell.variant].append(result)
    missing = Counter(cell.variant for cell in study.missing)
    summaries = [
        VariantSummary(name, tuple(found), missing[name], tuple(loss_of(one) for one in found if one.is_ok))
        for name, found in results.items()
    ]
    return sorted(summaries, key=_rank)


def blocks_of(results: Sequence[CellResult]) -> np.ndarray | None:
    """Losses by run and block of text; None where there are none, or not as many in each.   -> (runs, blocks)"""
    blocks = [result.text.blocks for result in results if result.text is not None]
    if not blocks or len(blocks) < len(results) or len(set(map(len, blocks))) > 1:
        return None
    return np.array(blocks)


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
