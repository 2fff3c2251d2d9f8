"""What a study found, in sentences that claim no more than its comparisons do. Differences in nats a token."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from ...plain import terminal
from ..analysis.comparisons import Comparison
from ..analysis.findings import Analysis
from ..analysis.summary import VariantSummary, part
from .names import Names, is_plural
from .numbers import digits, rough, signed, span

MOST_WORDS, _NAMED = 60, 3
"""Of an answer; and variants that it names one by one, of more it gives the count."""


_OPEN = ("too noisy", "undecided", "too few seeds")


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
    best, said = analysis.complete[0], Names(analysis.study.config)
    base = said(analysis.baseline)
    if not analysis.comparisons:
        return f"{_capital(said(best.name))} ends at {rough(best.val_loss.mean, 4)} nats"
    if best.name == analysis.baseline:
        return of_the_complete(analysis, _baseline_headline(base, analysis.comparisons, said))
    one, name = analysis.by_variant[best.name], _capital(said(best.name))
    if one.word == "better":
        return of_the_complete(analysis, f"{name}: better than {base} by {rough(-one.interval.mean)} nats")
    return of_the_complete(analysis, f"{name}: lowest, but not shown to beat {base}: {one.verdict}")


def of_the_complete(analysis: Analysis, finding: str) -> str:
    """The finding, with a word on the variants that it is not about: those with a run that ended badly."""
    is_of_all = analysis.n_run == len(analysis.complete)
    return finding if is_of_all or not analysis.complete else f"Of those that ended well with every seed: {finding}"


def answer(analysis: Analysis, style: Style = PLAIN) -> str:
    """At most three sentences and 60 words: what is best, how the others stand to the baseline, what depends on what.

    The numbers are in the tables. Of ways to say it the first that is short enough.
    """
    if not analysis.complete:
        return "None: no variant that was run ended well with every seed."
    texts = [" ".join(sentences) for sentences in _ways(analysis, style)]
    return next((text for text in texts if len(text.split()) <= MOST_WORDS), texts[-1])


def _ways(analysis: Analysis, style: Style) -> Iterator[list[str]]:
    """From the fullest to the shortest."""
    said = Names(analysis.study.config)

    def name(variant: str) -> str:
        return style.name(said(variant))

    found = analysis.comparisons
    if found and all(one.word == "identical" and not one.left_out for one in found):
        yield [f"Nothing changes: every variant ends, seed by seed, where {_the_baseline(analysis, name)} does."]
        return
    few = [one for one in found if one.word == "too few seeds"]
    if few and len(few) == len([one for one in found if one.word not in ("not comparable", "identical")]):
        lowest = _lowest(analysis, name)
        few_seeds = f"{lowest}, but {style.verdict('too few seeds')} to say more: the exact test needs {few[0].needed}."
        yield [few_seeds, *_ahead(analysis)]
        return
    first, thirds = (
        _best(analysis, name),
        [*_dependence(analysis, name)] or [*_ahead(analysis), *_changes(analysis, name)][:1],
    )
    if found and not analysis.best and all(one.word in _OPEN for one in found):
        who = "it" if analysis.complete[0].name == analysis.baseline else _the_baseline(analysis, name)
        yield [f"{_lowest(analysis, name)}, but no variant is {style.verdict('shown to differ')} from {who}."]
        return
    for third in (*([one] for one in thirds), []):
        for n_named in (_NAMED, 0):
            yield [first, _against(analysis, name, style, n_named), *third]
    yield [f"{_lowest(analysis, style.name)}.", _against(analysis, name, style, 0)]


def _best(analysis: Analysis, name: Callable[[str], str]) -> str:
    """Which ends lowest, and what cannot be told from it."""
    best, lowest = analysis.complete[0].name, _lowest(analysis, name)
    kept = [one for one in analysis.best if one != best]
    if len(analysis.comparisons) < 2 or best not in analysis.best:
        return f"{lowest}."
    if not kept:
        return f"{lowest}, and every other variant is shown to be worse."
    if len(kept) <= _NAMED:
        return f"{lowest}, not to be told apart from {_and([name(one) for one in kept])}."
    return f"{lowest}, but {len(kept)} of {len(analysis.comparisons)} others cannot be told apart from it."


def _lowest(analysis: Analysis, name: Callable[[str], str]) -> str:
    """`Rotary positions end lowest`, and of what, where that is not the whole study."""
    best = name(analysis.complete[0].name)
    return f"{_capital(best)} {'end' if is_plural(best) else 'ends'} lowest{_among(analysis)}"


def _against(analysis: Analysis, name: Callable[[str], str], style: Style, n_named: int) -> str:
    """The verdicts of the comparisons with the baseline, from the best."""
    found, words = analysis.comparisons, ("better", "worse", "no difference seen", "identical")
    if not found:
        return ""
    groups = {word: [one for one in found if one.word == word] for word in words}
    groups["not shown to differ"] = [one for one in found if one.word in _OPEN]
    groups["not compared"] = [one for one in found if one.word == "not comparable"]
    parts: list[str] = []
    for word, ones in groups.items():
        ones = sorted(ones, key=lambda one: one.interval.mean if one.differences else math.inf)
        if not ones:
            continue
        by = _by(ones) if word in ("better", "worse") else ""
        said = {"no difference seen": "no different", "not compared": "not to be compared"}.get(word, word)
        if len(ones) <= n_named:
            names = [name(one.variant) for one in ones]
            who = f"{_and(names)} {'is' if len(ones) == 1 and not is_plural(names[0]) else 'are'}"
        elif len(ones) == len(found):
            who = f"all {len(found)} others are"
        else:
            who = f"{len(ones)}" if parts else f"{len(ones)} of {len(found)} {'is' if len(ones) == 1 else 'are'}"
        parts.append(f"{who} {style.verdict(said)}{by}")
    comma = "" if (base := _the_baseline(analysis, name)).endswith(")") else ","
    return f"Against {base}{comma} {('; ' if n_named else ', ').join(parts)}."


def _the_baseline(analysis: Analysis, name: Callable[[str], str]) -> str:
    """`the baseline (RMS norm)`, or `the baseline` where that is all it is called."""
    said = name(analysis.baseline)
    return said if said == name("baseline") else f"the baseline ({said})"


def _by(ones: Sequence[Comparison]) -> str:
    """` by 0.17 to 0.76 nats`, and a word where all of it is too little to care about."""
    sizes = sorted(abs(one.interval.mean) for one in ones if one.differences)
    if not sizes:
        return " (no pair ended well)"
    ends = dict.fromkeys(rough(size) for size in (sizes[0], sizes[-1]))
    less = ", less than the margin" if all(one.within_margin for one in ones) else ""
    partly = " in the runs that ended well" if any(one.by_ranks for one in ones) else ""
    return f" by {' to '.join(ends)} nats{partly}{less}"


def _ahead(analysis: Analysis) -> Iterator[str]:
    """What the next rung of a ladder should give, where its rungs tell a law."""
    found = analysis.ladder
    if found and found.law.is_told and found.law.has_floor:
        ahead = found.next_rung
        ends = span([rough(ahead.low, 3), rough(ahead.high, 3)])
        yield f"By the law of its rungs {ahead.x:,.0f} {found.measure} should give {ends} nats."


def _changes(analysis: Analysis, name: Callable[[str], str]) -> Iterator[str]:
    """The trend of a difference that is shown, where it does not last."""
    for variant, trend in analysis.trends.items():
        if trend.word in ("shrinks", "turns") and analysis.by_variant[variant].word in ("better", "worse"):
            ends = [rough(abs(one.mean)) for one in (trend.rungs[0], trend.rungs[-1])]
            is_told = trend.rungs[0].mean * trend.rungs[-1].mean > 0
            what = f" from {ends[0]} to {ends[1]} nats" if is_told and trend.word == "shrinks" else ""
            what = ", and has changed its sign" if trend.word == "turns" else what
            yield f"At the validations on the way the difference of {name(variant)} {trend.word}{what}."


def _dependence(analysis: Analysis, name: Callable[[str], str]) -> Iterator[str]:
    """Whether the axes depend on each other, where that was asked; in full, and in short."""
    shown = [one for one in analysis.interactions if one.word in ("better", "worse")]
    if shown:
        largest = max(shown, key=lambda one: abs(one.interval.mean))
        more, by = "worse" if largest.word == "worse" else "better", rough(abs(largest.interval.mean))
        depend = "The axes depend on each other"
        yield f"{depend}, most in {name(largest.variant)}: {by} nats {more} than the two add up to."
        yield f"{depend}."
    elif analysis.interactions and all(one.word == "no difference seen" for one in analysis.interactions):
        yield "The effects of the axes add up."


def interval_of(one: Comparison) -> str:
    """`-0.0145 to -0.0101`, the simultaneous 95 % interval of the mean difference; a dash where there is none."""
    interval = one.interval
    return f"{signed(interval.low)} to {signed(interval.high)}" if math.isfinite(interval.half_width) else "-"


def interval_text(summary: VariantSummary) -> str:
    """`2.4512 ± 0.0512`, for other seeds and other text; for other seeds alone in brackets; a dash of none."""
    text, half = digits(summary.val_loss.mean), half_width(summary)
    if not half:
        return text
    return f"{text} ± {digits(half)}" if _on_text(summary) else f"{text} (seeds ± {digits(half)})"


def half_width(summary: VariantSummary) -> float:
    """Of the 95 % interval of a loss: for other seeds and text where blocks tell, else for seeds alone; 0 for none."""
    half = _on_text(summary) or summary.val_loss.half_width
    return half if math.isfinite(half) else 0.0


def _on_text(summary: VariantSummary) -> float:
    on_text = summary.on_text
    return on_text.half_width if on_text is not None and math.isfinite(on_text.half_width) else 0.0


def _baseline_headline(base: str, found: Sequence[Comparison], said: Names) -> str:
    """The baseline ends lowest."""
    words = Counter(one.word for one in found)
    one = _capital(said(found[0].variant))
    if words["worse"] == len(found):
        if len(found) > 1:
            return f"All other variants are worse than {base}"
        return f"{one}: worse than {base}" + (
            f" by {rough(found[0].interval.mean)} nats" if found[0].differences else ""
        )
    if words["worse"]:
        return f"No variant is shown to beat {base}; {words['worse']} of {len(found)} are shown to be worse"
    if words["identical"] == len(found):
        return f"{'All variants are' if len(found) > 1 else f'{one}:'} identical to {base}"
    why = f": {found[0].verdict}" if len({one.verdict for one in found}) == 1 else ""
    return f"{_capital(base)}: lowest, but no difference is shown{why}"


def _among(analysis: Analysis) -> str:
    """What the best is the best of, where that is not the whole study."""
    words, n_done = "", len(analysis.study.results)
    if len(analysis.complete) < analysis.n_run:
        words = " of those that ended well with every seed"
    if analysis.study.missing:
        words += f" so far ({part(n_done, n_done + len(analysis.study.missing))} cells)"
    return words


def _and(words: Sequence[str]) -> str:
    """`a`, `a and b`; with commas inside them `a; b`."""
    if len(words) < 2:
        return "".join(words)
    inner = any("," in word for word in words)
    return f"{('; ' if inner else ', ').join(words[:-1])} and {words[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
