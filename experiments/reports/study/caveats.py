"""What a study's report does not show, a sentence or two each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

from ....plain import code_span, markdown
from ...ablation.axes import read
from ...ablation.cells import CellResult
from ...ablation.grid import AblationConfig
from ...analysis.comparisons import Comparison
from ...analysis.findings import Analysis
from ...analysis.summary import VariantSummary
from ...statistics.intervals import standard_deviation
from ...statistics.significance import least_seeds
from ..numbers import rough, span
from ..run import data_caveats, text_seen
from .tables import differ, mean_of, operations, parameters, steps, tokens
from .tuning import tuning_caveats

_UNEVEN = 10
"""A variant whose losses scatter so many times as far as the baseline's is named."""


def caveats(analysis: Analysis) -> list[str]:
    """All that apply."""
    config = analysis.study.config
    measured = [summary for summary in analysis.ranking if summary.ok]
    found = [markdown(one) for one in config.caveats]
    found += _of_seeds(config.seeds_of(config.baseline)) + _of_growth(config)
    if any(one.word in ("no difference seen", "too noisy", "undecided") for one in _questions(analysis)):
        found.append(
            f"No difference seen means: the interval of the difference lies within ±{config.margin:g} nats. A smaller "
            "difference may still be there."
        )
    found += _of_rates(analysis)
    if any(summary.n_bad for summary in analysis.ranking):
        found.append(
            "Where a run diverged, signed ranks decide, in which it is the worst; losses, differences and intervals "
            "are those of the runs that ended well, which flatters the variant."
        )
    found += _unequal(measured) + _of_what_was_learned(measured) + _without_effect(analysis)
    found += _of_trends(analysis) + _of_other_text(analysis)
    return found + _of_text(analysis)


def _questions(analysis: Analysis) -> list[Comparison]:
    """All that have a verdict in the report."""
    return [*analysis.comparisons, *analysis.effects, *analysis.interactions]


def _of_seeds(n: int) -> list[str]:
    if n == 1:
        return ["One seed: nothing here tells a better variant from a luckier one."]
    if n >= least_seeds():
        return []
    return [f"{n} seeds: no test that assumes no distribution can show a difference with fewer than {least_seeds()}."]


def _of_growth(config: AblationConfig) -> list[str]:
    """How the number of seeds was chosen, where it was not fixed."""
    if config.looked:
        decided = "decided" if config.looked[-1] < config.seeds else "looked at for the last time"
        looks = ", ".join(map(str, config.looks))
        return [
            f"Seeds were added by a plan (looks at {looks}; alpha {config.alpha:g}), {decided} at {config.looked[-1]}."
        ]
    if not config.grown:
        return []
    before = " and ".join(map(str, config.grown))
    grew = f"This study was reported with {before} seeds before it grew without a plan"
    return [f"{grew}: of studies that grow until something shows, more than 5 % show what is not there."]


def _of_rates(analysis: Analysis) -> list[str]:
    config = analysis.study.config
    if config.tuned:
        return tuning_caveats(analysis.study)
    if "training.lr" not in config.varied:
        return ["All variants use the same learning rate; none was tuned for itself."]
    if "training.lr" not in config.axes or len(config.varied) < 2:
        return []
    averaged = (
        "What another axis does on average over the rates is not what it does at the best rate of each value; the best "
        "of several rates, compared on the same seeds, is found better too often: `--tune lr=...` chooses on others."
    )
    found = [averaged]
    rates = sorted(config.axes["training.lr"])
    best = analysis.complete[0].name if analysis.complete else ""
    if best and len(rates) > 1 and (rate := read(config.variants[best], "training.lr")) in (rates[0], rates[-1]):
        found.append(f"The best rate, {rate:g}, is at the edge of those tried: a better one may lie beyond.")
    return found


def _unequal(measured: Sequence[VariantSummary]) -> list[str]:
    """What the variants were not given the same of."""
    figures = {"parameters": parameters, "steps": steps, "tokens": tokens, "operations": operations}
    unequal = [f"{word} ({_from_to(measured, figure)})" for word, figure in figures.items() if differ(measured, figure)]
    return [f"Variants did not get the same number of {' or of '.join(unequal)}."] if unequal else []


def _from_to(measured: Sequence[VariantSummary], figure: Callable[[CellResult], float]) -> str:
    means = sorted(mean_of(one, figure) for one in measured)
    return span([f"{x:,.0f}" if x < 1e7 else f"{x:.3g}" for x in (means[0], means[-1])])


def _of_what_was_learned(measured: Sequence[VariantSummary]) -> list[str]:
    found, lazy = [], [code_span(summary.name) for summary in measured if not summary.has_learned]
    if lazy:
        found.append(
            f"Learned next to nothing, within 0.1 nats of the first weights or of a guess: {', '.join(lazy)}. A "
            "difference to them says that they did not train, not that they cannot."
        )
    spreads = {one.name: standard_deviation(one.losses) for one in measured if len(one.losses) > 2}
    least = min(spreads.values(), default=0.0)
    wide = [f"{code_span(name)} ({rough(spread)} nats)" for name, spread in spreads.items() if spread > _UNEVEN * least]
    if wide and least > 0:
        found.append(f"Losses over seeds scatter far more than the least ({rough(least)} nats) in {', '.join(wide)}.")
    return found


def _without_effect(analysis: Analysis) -> list[str]:
    """Variants that end, seed by seed, where the baseline does: what they change did nothing here."""
    config, found = analysis.study.config, []
    for one in analysis.comparisons:
        if one.word != "identical":
            continue
        run = config.variants[one.variant]
        if run.training.optimizer == "muon" and run.model_kind == "bigram":
            found.append(
                f"{code_span(one.variant)} is no test of Muon: a bigram has no hidden matrix for it to act on, so that "
                "AdamW updates every weight."
            )
        else:
            found.append(f"{code_span(one.variant)} changed nothing that these runs could show.")
    return found


def _of_trends(analysis: Analysis) -> list[str]:
    """Differences that do not last, or that a longer run may turn."""
    found = []
    for name, trend in analysis.trends.items():
        first, last = (rough(abs(rung.mean)) for rung in (trend.rungs[0], trend.rungs[-1]))
        if analysis.by_variant[name].word not in ("better", "worse"):
            continue
        if trend.word == "shrinks" and trend.rungs[0].mean * trend.rungs[-1].mean > 0:
            words = f"shrank from {first} nats at a quarter of the run to {last} at its end"
        elif trend.word == "turns":
            words = f"had the other sign at a quarter of the run ({first} nats, then {last})"
        else:
            continue
        found.append(
            f"At the validations on the way the difference of {code_span(name)} {words}: a longer run may say "
            "otherwise."
        )
    return found


def _of_other_text(analysis: Analysis) -> list[str]:
    """Differences that are shown on the text of the study, and would not be on another of its kind."""
    unsure = [
        code_span(one.variant)
        for one in analysis.comparisons
        if one.word in ("better", "worse") and one.on_text is not None and one.on_text.low <= 0 <= one.on_text.high
    ]
    if not unsure:
        return []
    return [f"Shown for this text alone: for other text of its kind the interval of {', '.join(unsure)} holds 0."]


def _of_text(analysis: Analysis) -> list[str]:
    """How much text was trained and validated on."""
    study, base = analysis.study, analysis.study.config.base
    trained = [result for result in study.results if result.is_ok] or list(study.results)
    if not trained:
        return []
    found, n_tokens = [], [result.measured.tokens for result in trained]
    if any(n_tokens):
        n_steps = [result.record.steps for result in trained]
        found.append(text_seen(n_steps, n_tokens, trained[0].record.train_tokens))
    if any(one.on_text is None for one in analysis.ranking if one.ok):
        found.append(
            "Intervals of losses are over seeds, for this text alone: other text would move all of them together. The "
            "cells keep no losses by block of text."
        )
    if all(result.text is not None and result.text.is_whole for result in trained):
        text = trained[0].text
        assert text is not None
        found.append(
            f"Final losses are over the whole validation text ({text.n_tokens:,} tokens); those on the way, "
            "and bits per byte, are of what training validates on."
        )
        base = replace(base, training=replace(base.training, eval_tokens=0))
    return found + data_caveats(base, asdict(trained[0].record))
