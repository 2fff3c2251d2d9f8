"""What a reader of a study has to keep in mind, from its configuration and its records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from ..plain import code_span
from .report import data_caveats, text_seen
from .statistics import t_quantile
from .study import Study
from .study_tables import differ, operations, steps, tokens
from .summary import VariantSummary

_FEW = 5
"""Up to so many seeds the quantile of Student's t is far from the normal 1.96."""


def caveats(study: Study, summaries: Sequence[VariantSummary]) -> list[str]:
    """A sentence or two each."""
    config = study.config
    found = _of_seeds(config.seeds)
    found.append(
        f"No difference seen means: the interval of the difference lies within ±{config.margin:g} nats. A smaller "
        "difference may still be there."
    )
    if len(config.variants) > 2:
        found.append("The best of several is chosen after the fact, which flatters it a little.")
    if "training.lr" not in config.axes:
        found.append("All variants use the same learning rate; none was tuned for itself.")
    sound = [summary for summary in summaries if summary.ok]
    if any(summary.n_bad for summary in summaries):
        found.append("A run that ended badly is left out of means and pairs, which flatters a variant that has some.")
    found += _unequal(sound)
    lazy = [code_span(summary.name) for summary in sound if not summary.has_learned]
    if lazy:
        found.append(f"Ended no better than their first weights: {', '.join(lazy)}.")
    return found + _of_text(study)


def _of_seeds(n: int) -> list[str]:
    if n == 1:
        return ["One seed: nothing here tells a better variant from a luckier one."]
    if n > _FEW:
        return []
    errors = f"{t_quantile(0.975, n - 1):.1f} standard errors"
    return [f"{n} seeds: a t interval is {errors} wide on each side and assumes that losses scatter about normally."]


def _unequal(sound: Sequence[VariantSummary]) -> list[str]:
    """What the variants were not given the same of."""
    unequal = [
        word
        for word, figure in (("steps", steps), ("tokens", tokens), ("operations", operations))
        if differ(sound, figure)
    ]
    if not unequal:
        return []
    return [f"Variants did not get the same number of {' or of '.join(unequal)}: see the table of costs."]


def _of_text(study: Study) -> list[str]:
    """How much text was trained and validated on."""
    trained = [result for result in study.results if result.is_ok] or list(study.results)
    if not trained:
        return []
    n_steps, n_tokens = zip(*((result.record.steps, result.measured.tokens) for result in trained), strict=True)
    found = [text_seen(n_steps, n_tokens, trained[0].record.train_tokens)] if any(n_tokens) else []
    return found + data_caveats(study.config.base, asdict(trained[0].record))
