"""What a study found, computed once and read by every report, table, figure and sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ..ablation.study import Study
from .comparisons import Comparison, compare, effects
from .summary import VariantSummary, summarise


@dataclass(frozen=True)
class Analysis:
    """A study with its conclusions."""

    study: Study
    ranking: tuple[VariantSummary, ...]
    """All variants, the best first; those with a run that ended badly after the others, those without any last."""
    comparisons: tuple[Comparison, ...]
    """Every variant but the baseline with it, in the order of the grid."""
    effects: tuple[Comparison, ...]
    """Each value of an axis with the axis's first, over all other axes; empty where there is one axis."""

    @property
    def baseline(self) -> str:
        """The variant that the others are compared with."""
        return self.study.config.baseline

    @property
    def n_run(self) -> int:
        """Variants with a result."""
        return sum(bool(summary.results) for summary in self.ranking)

    @cached_property
    def complete(self) -> tuple[VariantSummary, ...]:
        """Of the ranking those that ended well with every seed that was run."""
        return tuple(summary for summary in self.ranking if summary.is_complete)

    @cached_property
    def by_variant(self) -> Mapping[str, Comparison]:
        """The comparisons by name."""
        return {one.variant: one for one in self.comparisons}


def analyse(study: Study) -> Analysis:
    """Rank the variants, compare them with the baseline, and average what each axis does."""
    ranking = summarise(study)
    return Analysis(study, tuple(ranking), tuple(compare(ranking, study.config)), tuple(effects(study)))
