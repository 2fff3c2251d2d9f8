"""BLEU-4 of a corpus: how many runs of one to four words an answer shares with what was expected.

    BLEU = 100 BP (p_1 p_2 p_3 p_4)^(1/4)       p_n = matched n-grams / n-grams of all answers
    BP   = min(1, exp(1 - r / c))               c, r: words of all answers, of all references

Papineni et al. 2002, "BLEU: a method for automatic evaluation of machine translation". Words are cut as by mteval-v13a,
and where no n-gram matches, p_n is smoothed as there ("exp"): equal to what sacrebleu says without options.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import DataError

ORDER = 4

_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_ALWAYS_APART = re.compile("([" + re.escape("".join(sorted(set(string.punctuation) - set("'-.,")))) + "])")
_AFTER_NO_DIGIT = re.compile(r"([^0-9])([.,])")
_BEFORE_NO_DIGIT = re.compile(r"([.,])([^0-9])")
_DASH_AFTER_DIGIT = re.compile(r"([0-9])(-)")


@dataclass(frozen=True)
class Bleu:
    """The score, and what it is made of."""

    score: float
    """0 to 100."""
    precisions: tuple[float, ...]
    """p_1 to p_4 in percent, smoothed."""
    brevity_penalty: float
    n_words: int
    n_reference_words: int


def bleu(answers: Sequence[str], references: Sequence[str]) -> Bleu:
    """Of all answers together, each with one reference. Raises DataError where their numbers differ or are 0.

    >>> round(bleu(["the cat sat on the mat"], ["the cat is on the mat"]).score, 2)
    37.99
    """
    if not answers or len(answers) != len(references):
        raise DataError(f"{len(answers)} answers and {len(references)} references: BLEU needs pairs, one at least")
    matched, total, n_words, n_reference_words = [0] * ORDER, [0] * ORDER, 0, 0
    for answer, reference in zip(answers, references, strict=True):
        ours, theirs = tokenize_13a(answer), tokenize_13a(reference)
        n_words, n_reference_words = n_words + len(ours), n_reference_words + len(theirs)
        for n in range(1, ORDER + 1):
            found, expected = ngrams(ours, n), ngrams(theirs, n)
            matched[n - 1] += (found & expected).total()
            total[n - 1] += found.total()
    precisions = _precisions(matched, total)
    penalty = 1.0 if n_words >= n_reference_words else math.exp(1 - n_reference_words / n_words) if n_words else 0.0
    score = penalty * math.exp(math.fsum(map(math.log, precisions)) / ORDER) if all(precisions) else 0.0
    return Bleu(score, precisions, penalty, n_words, n_reference_words)


def ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """How often each run of n words occurs."""
    return Counter(zip(*(words[i:] for i in range(n)), strict=False))


def tokenize_13a(text: str) -> list[str]:
    """Words and marks. Only ASCII marks are cut off: apostrophes never, a dash after a digit, stops between no digits.

    >>> tokenize_13a("Lima's 3.5-fold, e.g. \\"1,000\\".")
    ["Lima's", '3.5', '-', 'fold', ',', 'e', '.', 'g', '.', '"', '1,000', '"', '.']
    """
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    text = _ALWAYS_APART.sub(r" \1 ", f" {text} ")
    text = _AFTER_NO_DIGIT.sub(r"\1 \2 ", text)
    text = _BEFORE_NO_DIGIT.sub(r" \1 \2", text)
    return _DASH_AFTER_DIGIT.sub(r"\1 \2 ", text).split()


def _precisions(matched: Sequence[int], total: Sequence[int]) -> tuple[float, ...]:
    """In percent. The k-th order without a match counts 1 / 2^k of one; 0 where nothing matches or is so long."""
    if not any(matched):
        return (0.0,) * ORDER
    precisions, smoothing = [], 1.0
    for right, n in zip(matched, total, strict=True):
        if right == 0:
            smoothing *= 2
        precisions.append(0.0 if n == 0 else 100 * (right or 1 / smoothing) / n)
    return tuple(precisions)
