"""What a study found, in sentences that claim no more than its comparisons do. Differences in nats a token."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ...plain import terminal
from ..analysis.comparisons import Comparison
from ..analysis.findings import Analysis
from ..analysis.summary import VariantSummary, part
from .numbers import digits, p_text, range_of, signed

_NAMED = 5
"""Variants that the answer names one by one; of more it gives the count."""


@dataclass(frozen=True)
class Style:
    """How a sentence sets off the names of variants and its verdicts: not at all, unless a document says how."""

    name: Callable[[str], str] = partial(terminal, keep="")
    verdict: Callable[[str], str] = str


PLAIN = Style()


def headline(analysis: Analysis) -> str:
    """The finding in a line or two, for a figure."""
    if not analysis.complete:
        return "No variant ended well with every seed"
    best, base = analysis.complete[0], analysis.baseline
    if not analysis.comparisons:
        return f"{best.name} ends at {digits(best.val_loss.mean)} nats"
    if best.name == base:
        return of_the_complete(analysis, _baseline_headline(base, analysis.comparisons))
    one = analysis.by_variant[best.name]
    if one.word == "better":
        return f"{best.name} beats {base} by {digits(-one.interval.mean)} nats"
    return of_the_complete(analysis, f"{best.name} ends lowest, but is not shown to beat {base}: {one.verdict}")


def of_the_complete(analysis: Analysis, finding: str) -> str:
    """The finding, with a word on the variants that it is not about: those with a run that ended badly."""
    is_of_all = analysis.n_run == len(analysis.complete)
    return finding if is_of_all or not analysis.complete else f"Of those that ended well with every seed: {finding}"


def answer(analysis: Analysis, style: Style = PLAIN) -> str:
    """Which variant ends lowest, every verdict against the baseline, and what each axis does on average."""
    if not analysis.complete:
        return "None: no variant that was run ended well with every seed."
    found, best, baseline = analysis.comparisons, analysis.complete[0], style.name(analysis.baseline)
    if found and all(one.word == "identical" and not one.left_out for one in found):
        return f"Nothing changes: every variant ends, seed by seed, where the baseline {baseline} does, {_at(best)}."
    is_base, among = best.name == analysis.baseline, _among(analysis)
    if is_base:
        text = f"No variant{among} ends lower than the baseline {baseline}, {_at(best)}"
    else:
        text = f"{style.name(best.name)} ends lowest{among}, {_at(best)}"
    compared = [one for one in found if one.word != "not comparable"]
    if len(compared) > 1 and all(one.word == "too few seeds" for one in compared):
        needed, few = max(one.seeds_needed for one in compared), style.verdict("too few seeds")
        text += f"; {few} to say more: the exact test needs {needed} for {len(compared)} comparisons."
        return text + _not_compared(found, style)
    if not is_base:
        text += f"; against the baseline {baseline}: {difference_text(analysis.by_variant[best.name], style)}"
    others = [one for one in compared if one.variant != best.name]
    axes = [one for one in analysis.effects if one.word != "not comparable"]
    text += "." + _listed("Against the baseline," if is_base else "The others:", others, style)
    if len(others) > _NAMED:
        words = Counter(one.word for one in others)
        text += " Of the others, " + ", ".join(f"{n} {word}" for word, n in words.most_common()) + "."
    text += _not_compared([one for one in found if one.variant != best.name], style)
    text += _listed("On average over the other axes:", axes, style)
    if any(one.word in ("better", "worse") for one in [*found, *axes]):
        text += " (95 % t intervals; p of the sign-flip test, corrected by Holm's method.)"
    return text


def difference_text(one: Comparison, style: Style = PLAIN) -> str:
    """`better by 0.0123 (0.0101 to 0.0145, p = 0.023)`: the word, the mean, its 95 % interval, the corrected p.

    What was left out follows, and for an axis how far its effect reaches in single combinations of the others where
    it is not of one sign.
    """
    if one.word == "not comparable":
        return style.verdict(one.verdict)
    interval, text = one.interval, style.verdict(one.word)
    remarks = []
    if one.word in ("better", "worse"):
        sign = -1 if one.word == "better" else 1
        near, far = sorted((sign * interval.low, sign * interval.high))
        text += f" by {digits(abs(interval.mean))}"
        remarks += [f"{digits(near)} to {digits(far)}", f"p {p_text(one.p_holm, '= ')}"]
        if one.within_margin:
            remarks.append("less than the margin")
    elif one.word != "identical":
        remarks.append(interval_of(one) if math.isfinite(interval.half_width) else signed(interval.mean))
        if one.seeds_needed:
            remarks.append(f"needs {one.needed}")
    remarks += one.left_out
    if one.contexts and min(one.contexts) < 0 < max(one.contexts):
        remarks.append(f"in single combinations {range_of(one.contexts)}")
    return f"{text} ({', '.join(remarks)})" if remarks else text


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


def _among(analysis: Analysis) -> str:
    """What the best is the best of, where that is not the whole study."""
    words, n_done = "", len(analysis.study.results)
    if len(analysis.complete) < analysis.n_run:
        words = " of those that ended well with every seed"
    if analysis.study.missing:
        words += f" so far ({part(n_done, n_done + len(analysis.study.missing))} cells)"
    return words


def _listed(words: str, comparisons: Sequence[Comparison], style: Style) -> str:
    """All of them, if they are few enough to be read in a sentence."""
    if not 0 < len(comparisons) <= _NAMED:
        return ""
    return f" {words} {'; '.join(f'{style.name(one.variant)} {difference_text(one, style)}' for one in comparisons)}."


def _not_compared(found: Sequence[Comparison], style: Style) -> str:
    missed = [one for one in found if one.word == "not comparable"]
    if len(missed) > _NAMED:
        return f" {len(missed)} could not be compared."
    named = "; ".join(f"{style.name(one.variant)} ({one.reason})" for one in missed)
    return f" Not compared: {named}." if missed else ""
