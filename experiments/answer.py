"""What a study found, in sentences that claim no more than its comparisons do. Differences in nats a token."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from .comparisons import Comparison, compare, effects
from .study import Study
from .summary import VariantSummary, is_sound, spell, summarise

_NAMED = 4
"""Variants that the answer names one by one; of more it gives the count."""


def headline(study: Study) -> str:
    """The finding in a line or two, for a figure."""
    ranking, found = _ranking(study), _by_name(compare(study))
    if not ranking:
        return "No variant ended well with every seed"
    best, base = ranking[0].name, study.config.baseline
    if not found:
        return f"{best} ends at {spell(ranking[0].val_loss.mean)} nats"
    if best == base:
        n_worse = sum(one.word == "worse" for one in found.values())
        proved = "worse, each of them" if n_worse == len(found) else f"{n_worse} of {len(found)} shown to be worse"
        return f"No variant beats {base}: {proved}"
    one = found[best]
    if one.word == "better":
        return f"{best} beats {base} by {spell(-one.interval.mean)} nats"
    if one.word == "no difference seen":
        return f"No variant beats {base}: no difference seen to {best}"
    return f"{best} ends lowest, but is not shown to beat {base}: {one.verdict}"


def answer(study: Study) -> str:
    """Which variant ends lowest, every verdict against the baseline, and what each axis does on average."""
    ranking, found = _ranking(study), compare(study)
    if not ranking:
        return "None: no variant that was run ended well with every seed."
    best, base, named = ranking[0], study.config.baseline, _by_name(found)
    text = f"`{best.name}` ends lowest, at {interval_text(best)} nats per token"
    if len(found) > 1 and all(one.word == "too few seeds" for one in found):
        needed = max(one.seeds_needed or 0 for one in found)
        text += f"; **too few seeds** to say more: the exact test needs {needed} for {len(found)} comparisons."
        return text
    if best.name == base:
        text += ", and is the baseline."
    elif named[best.name].reason:
        text += f"; it cannot be compared with the baseline `{base}`, since {named[best.name].reason}."
    else:
        text += f"; against the baseline `{base}`: {difference_text(named[best.name])}."
    others = [one for one in found if one.variant != best.name]
    if 0 < len(others) <= _NAMED:
        text += " Against the baseline, " if best.name == base else " The others: "
        text += "; ".join(f"`{one.variant}` {difference_text(one)}" for one in others) + "."
    elif others:
        words = Counter(one.word for one in others)
        text += " Of the others, " + ", ".join(f"{n} {word}" for word, n in words.most_common()) + "."
    axes = effects(study)
    if 0 < len(axes) <= _NAMED:
        text += " On average over the other axes: "
        text += "; ".join(f"`{one.variant}` {difference_text(one)}" for one in axes) + "."
    return text


def difference_text(one: Comparison) -> str:
    """`**better** by 0.0123 (0.0101 to 0.0145, p = 0.023)`: the word, the mean, its 95 % interval, the corrected p."""
    interval = one.interval
    if one.reason or one.word == "identical":
        return f"**{one.verdict}**"
    if one.word in ("better", "worse"):
        near, far = sorted((abs(interval.low), abs(interval.high)))
        return (
            f"**{one.word}** by {spell(abs(interval.mean))} ({spell(near)} to {spell(far)}, p = {p_text(one.p_holm)})"
        )
    needs = f"; needs {one.seeds_needed} seeds" if one.seeds_needed else ""
    return (
        f"**{one.word}** ({interval_of(one) if math.isfinite(interval.half_width) else signed(interval.mean)}{needs})"
    )


def interval_of(one: Comparison) -> str:
    """`-0.0145 to -0.0101`, the 95 % t interval of the mean difference; a dash for one seed."""
    interval = one.interval
    return f"{signed(interval.low)} to {signed(interval.high)}" if math.isfinite(interval.half_width) else "-"


def interval_text(summary: VariantSummary) -> str:
    """`2.4512 ± 0.0012`; without the second where there is one seed."""
    interval = summary.val_loss
    return spell(interval.mean) + (f" ± {spell(interval.half_width)}" if math.isfinite(interval.half_width) else "")


def signed(number: float) -> str:
    """Four decimals with the sign, a dash for nan; -0.0000 has none."""
    if math.isnan(number):
        return "-"
    text = spell(abs(number))
    return text if text == "0.0000" else ("+" if number > 0 else "-") + text


def p_text(p: float) -> str:
    """Two figures: `0.023`, `0.0078`, `1`; a dash for nan."""
    return "-" if math.isnan(p) else f"{p:.2g}" if p >= 0.0001 else "< 0.0001"


def _ranking(study: Study) -> list[VariantSummary]:
    """The best first, of the variants that ended well with every seed that was run."""
    return [summary for summary in summarise(study) if is_sound(summary)]


def _by_name(comparisons: Sequence[Comparison]) -> dict[str, Comparison]:
    return {one.variant: one for one in comparisons}
