"""What differences do along a ladder, and whether a third of its budget would have told the verdicts of all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..ablation.grid import AblationConfig
from ..analysis.comparisons import Word
from ..analysis.findings import Analysis
from ..analysis.rungs import LEAST_RUNGS
from ..statistics.ladder import Trend, trend
from .climb import Climbed

SHARE = 1 / 3
"""Of the last rung: what was known when so much was spent."""
_STAYS = ("lasts", "grows")


@dataclass(frozen=True)
class Outlook:
    """A verdict at a third of the budget, what it lets expect, and the verdict at the last rung."""

    variant: str
    rung: float
    """The last of at most a third of the budget."""
    word: Word
    does: str
    """What the difference does along the rungs up to there."""
    last: float
    found: Word

    @property
    def expected(self) -> Word | None:
        """The same verdict, where one is shown that lasts or grows; else nothing is foretold."""
        return self.word if self.word in ("better", "worse") and self.does in _STAYS else None


def trends(study: AblationConfig, rungs: Mapping[float, Analysis]) -> dict[str, Trend]:
    """What each variant's paired difference does along the rungs; without those of whom too few seeds ended well.

    What is shown at the ends is the verdict there.
    """
    found = dict[str, Trend]()
    for variant in [name for name in study.variants if name != study.baseline]:
        pairs = _differences(study.baseline, variant, list(rungs.values())) if len(rungs) > 1 else np.empty((0, 0))
        if len(pairs) > 1:
            ends = list(rungs.values())
            shown = ends[0].by_variant[variant].shown, ends[-1].by_variant[variant].shown
            found[variant] = trend(np.array(list(rungs), dtype=np.float64), pairs, shown=shown)
    return found


def outlooks(climbed: Climbed) -> list[Outlook]:
    """One a variant; none where fewer than three whole rungs lie within a third of the last."""
    study, whole = climbed.register.ladder.study, climbed.whole
    last = max(whole, default=0.0)
    early = {value: one for value, one in whole.items() if value <= SHARE * last}
    if len(early) < LEAST_RUNGS:
        return []
    does, rung = trends(study, early), max(early)
    then, now = early[rung].by_variant, whole[last].by_variant
    return [Outlook(name, rung, then[name].word, one.word, last, now[name].word) for name, one in does.items()]


def _differences(baseline: str, variant: str, rungs: list[Analysis]) -> np.ndarray:
    """Variant minus baseline, of the seeds that ended well with both at every rung.    -> (seeds, rungs)"""
    both = []
    for analysis in rungs:
        by_name = {one.name: one for one in analysis.ranking}
        ours, theirs = (
            dict(zip((result.cell.config.seed for result in one.ok), one.losses, strict=True))
            for one in (by_name[variant], by_name[baseline])
        )
        both.append({seed: ours[seed] - theirs[seed] for seed in ours.keys() & theirs.keys()})
    shared = sorted(set.intersection(*map(set, both)))
    return np.array([[one[seed] for one in both] for seed in shared]).reshape(len(shared), len(rungs))
