"""What a study found, in sentences that claim no more than its comparisons do. Differences in nats a token."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from ...plain import code_span
from ..ablation.study import Study
from ..analysis.comparisons import Comparison, compare, effects
from ..analysis.summary import VariantSummary, is_sound, part, summarise
from .numbers import digits, p_text, range_of, signed

_NAMED = 5
"""Variants that the answer names one by one; of more it gives the count."""


def headline(study: Study) -> str:
    """The finding in a line or two, for a figure."""
    ranking, found = _ranking(study), compare(study)
    if not ranking:
        return "No variant ended well with every seed"
    best, base = ranking[0].name, study.config.baseline
    if not found:
        return f"{best} ends at {digits(ranking[0].val_loss.mean)} nats"
    if best == base:
        return of_the_sound(study, ranking, _baseline_headline(base, found))
    one = _by_name(found)[best]
    if one.word == "better":
        return f"{best} beats {base} by {digits(-one.interval.mean)} nats"
    return of_the_sound(study, ranking, f"{best} ends lowest, but is not shown to beat {base}: {one.verdict}")


def of_the_sound(study: Study, ranking: Sequence[VariantSummary], finding: str) -> str:
    """The finding, with a word on the variants that it is not about: those with a run that ended badly."""
    is_all = len(ranking) == len({result.cell.variant for result in study.results})
    return finding if is_all or not ranking else f"Of those that ended well with every seed: {finding}"


def answer(study: Study) -> str:
    """Which variant ends lowest, every verdict against the baseline, and what each axis does on average."""
    ranking, found = _ranking(study), compare(study)
    if not ranking:
        return "None: no variant that was run ended well with every seed."
    best, base = ranking[0], study.config.baseline
    baseline = code_span(base)
    if found and all(one.word == "identical" and not one.left_out for one in found):
        return f"Nothing changes: every variant ends, seed by seed, where the baseline {baseline} does, {_at(best)}."
    is_base, among = best.name == base, _among(study, ranking)
    lowest = f"{code_span(best.name)} ends lowest{among}"
    who = f"No variant{among} ends lower than the baseline {baseline}" if is_base else lowest
    text = f"{who}, {_at(best)}"
    compared = [one for one in found if one.word != "not comparable"]
    if len(compared) > 1 and all(one.word == "too few seeds" for one in compared):
        needed = max(one.seeds_needed for one in compared)
        text += f"; **too few seeds** to say more: the exact test needs {needed} for {len(compared)} comparisons."
        return f"{text}{_not_compared(found)}"
    text += "." if is_base else f"; against the baseline {baseline}: {difference_text(_by_name(found)[best.name])}."
    others = [one for one in compared if one.variant != best.name]
    text += _listed("Against the baseline," if is_base else "The others:", others)
    if len(others) > _NAMED:
        words = Counter(one.word for one in others)
        text += " Of the others, " + ", ".join(f"{n} {word}" for word, n in words.most_common()) + "."
    axes = [one for one in effects(study) if one.word != "not comparable"]
    text += _not_compared([one for one in found if one.variant != best.name])
    text += _listed("On average over the other axes:", axes)
    tested = any(one.word in ("better", "worse") for one in [*found, *axes])
    return text + (" (95 % t intervals; p of the sign-flip test, corrected by Holm's method.)" if tested else "")


def difference_text(one: Comparison) -> str:
    """`**better** by 0.0123 (0.0101 to 0.0145, p = 0.023)`: the word, the mean, its 95 % interval, the corrected p.

    What was left out follows, and for an axis how far its effect reaches in single combinations of the others where
    it is not of one sign.
    """
    interval = one.interval
    if one.word == "not comparable":
        return f"**{one.verdict}**"
    remarks, by = [], ""
    if one.word in ("better", "worse"):
        sign = -1 if one.word == "better" else 1
        near, far = sorted((sign * interval.low, sign * interval.high))
        by = f" by {digits(abs(interval.mean))}"
        remarks = [f"{digits(near)} to {digits(far)}", f"p {p_text(one.p_holm, '= ')}"]
        remarks += ["less than the margin"] if one.within_margin else []
    elif one.word != "identical":
        remarks = [interval_of(one) if math.isfinite(interval.half_width) else signed(interval.mean)]
        remarks += [f"needs {one.needed}"] if one.seeds_needed else []
    remarks += one.left_out
    if one.contexts and min(one.contexts) < 0 < max(one.contexts):
        remarks.append(f"in single combinations {range_of(one.contexts)}")
    return f"**{one.word}**{by}" + (f" ({', '.join(remarks)})" if remarks else "")


def interval_of(one: Comparison) -> str:
    """`-0.0145 to -0.0101`, the 95 % t interval of the mean difference; a dash for one seed."""
    interval = one.interval
    return f"{signed(interval.low)} to {signed(interval.high)}" if math.isfinite(interval.half_width) else "-"


def interval_text(summary: VariantSummary) -> str:
    """`2.4512 ± 0.0012`; without the second where there is one seed, a dash where there is none."""
    interval = summary.val_loss
    return digits(interval.mean) + (f" ± {digits(interval.half_width)}" if math.isfinite(interval.half_width) else "")


def _baseline_headline(base: str, found: Sequence[Comparison]) -> str:
    """The baseline ends lowest."""
    words = Counter(one.word for one in found)
    if words["worse"] == len(found):
        by = f" by {digits(found[0].interval.mean)} nats" if len(found) == 1 else ""
        return f"{_all_of(found, 'All other variants are')} worse than {base}{by}"
    if words["worse"]:
        return f"No variant is shown to beat {base}; {words['worse']} of {len(found)} are shown to be worse"
    if words["identical"] == len(found):
        return f"{_all_of(found, 'All variants are')} identical to {base}"
    why = f": {found[0].verdict}" if len({one.verdict for one in found}) == 1 else ""
    return f"{base} ends lowest, but no difference is shown{why}"


def _all_of(found: Sequence[Comparison], many: str) -> str:
    return many if len(found) > 1 else f"{found[0].variant} is"


def _at(summary: VariantSummary) -> str:
    return f"at {interval_text(summary)} nats per token"


def _among(study: Study, ranking: Sequence[VariantSummary]) -> str:
    """What the best is the best of, where that is not the whole study."""
    n_run = len({result.cell.variant for result in study.results})
    words = " of those that ended well with every seed" if len(ranking) < n_run else ""
    if study.missing:
        words += f" so far ({part(len(study.results), len(study.results) + len(study.missing))} cells)"
    return words


def _listed(words: str, comparisons: Sequence[Comparison]) -> str:
    """All of them, if they are few enough to be read in a sentence."""
    if not 0 < len(comparisons) <= _NAMED:
        return ""
    return f" {words} {'; '.join(f'{code_span(one.variant)} {difference_text(one)}' for one in comparisons)}."


def _not_compared(found: Sequence[Comparison]) -> str:
    missed = [one for one in found if one.word == "not comparable"]
    if len(missed) > _NAMED:
        return f" {len(missed)} could not be compared."
    named = "; ".join(f"{code_span(one.variant)} ({one.reason})" for one in missed)
    return f" Not compared: {named}." if missed else ""


def _ranking(study: Study) -> list[VariantSummary]:
    """The best first, of the variants that ended well with every seed that was run."""
    return [summary for summary in summarise(study) if is_sound(summary)]


def _by_name(comparisons: Sequence[Comparison]) -> dict[str, Comparison]:
    return {one.variant: one for one in comparisons}
