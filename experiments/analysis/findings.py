"""What a study found, computed once and read by every report, table, figure and sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ..ablation.study import Study
from ..statistics.ladder import Trend
from .comparisons import Comparison
from .family import conclude
from .rungs import Ladder, Surface, ladder_of, surface_of
from .summary import VariantSummary, summarise
from .trends import trend_of


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
    interactions: tuple[Comparison, ...] = ()
    """By how much a value's effect is another beside another axis's value; empty where effects are."""
    best: tuple[str, ...] = ()
    """Variants that none is shown to beat: the best is one of them. Empty where nothing is shown."""

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
    def trends(self) -> Mapping[str, Trend]:
        """What each variant's difference to the baseline does over the steps, where enough validations tell."""
        summaries = {summary.name: summary for summary in self.ranking}
        baseline = summaries[self.baseline]
        found = {one.variant: trend_of(summaries[one.variant], baseline, shown=one.shown) for one in self.comparisons}
        return {name: one for name, one in found.items() if one is not None}

    @cached_property
    def ladder(self) -> Ladder | None:
        """The law along the axis, where the study is a ladder."""
        return ladder_of(self.study, self.ranking)

    @cached_property
    def surface(self) -> Surface | None:
        """The law along two axes, of training and of size."""
        return surface_of(self.study, self.ranking)

    @cached_property
    def by_variant(self) -> Mapping[str, Comparison]:
        """The comparisons by name."""
        return {one.variant: one for one in self.comparisons}


def analyse(study: Study) -> Analysis:
    """Rank the variants, and answer all questions that the study asks by one test."""
    ranking = summarise(study)
    found = conclude(study, ranking)
    return Analysis(study, tuple(ranking), found.comparisons, found.effects, found.interactions, found.best)
