"""Learning merges for exercise 11a, and known wrong answers, beside the right spelling that they are changed from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from ...exercise import Answer, Wrong

Pair = tuple[str, str]
Words = Mapping[str, int]
Tie = Literal["lowest", "highest", "first", "shortest"]
Counted = Counter[Pair]


@dataclass(frozen=True)
class Rule:
    """Which of equally frequent pairs is taken, and whether a word counts as often as it occurs."""

    tie: Tie
    once: bool = False
    by_text: bool = False
    """The lowest and the highest by the joined text, in place of the pair."""

    def choose(self, counts: Counted) -> Pair:
        """The pair to merge; `counts` has them in the order in which they were seen."""
        most = max(counts.values())
        best = [pair for pair, n in counts.items() if n == most]
        if self.tie == "first":
            return best[0]
        if self.tie == "shortest":
            return min(best, key=lambda pair: (len(pair[0] + pair[1]), pair))
        return (min if self.tie == "lowest" else max)(best, key="".join if self.by_text else None)


def joined(symbols: Sequence[str], pair: Pair) -> list[str]:
    """The pair made one wherever it stands, from left to right."""
    walked, i = [], 0
    while i < len(symbols):
        two = tuple(symbols[i : i + 2]) == pair
        walked.append("".join(symbols[i : i + 2]) if two else symbols[i])
        i += 1 + two
    return walked


@dataclass(frozen=True)
class _Spelling:
    """The right one; each field is a place where a mistake goes in."""

    across: bool = False
    """Words are joined before they are counted."""
    counts: Callable[[Sequence[str]], Iterator[Pair]] = pairwise
    join: Callable[[Sequence[str], Pair], list[str]] = joined
    counts_anew: bool = True
    least: int = 2
    rarest: bool = False
    more: int = 0
    result: Callable[[Pair], Any] = lambda pair: pair

    def __call__(self, v: Rule) -> Callable[[Words, int], list[Any]]:
        def learn(words: Words, n: int) -> list[Any]:
            texts = [(list(word), 1 if v.once else count) for word, count in words.items()]
            if self.across:
                texts = [([letter for text, count in texts for letter in text * count], 1)]
            counts = self._counted(texts)
            merges: list[Any] = []
            while len(merges) < n + self.more:
                counts = self._counted(texts) if self.counts_anew else counts
                left = Counter({pair: count for pair, count in counts.items() if count >= self.least})
                if not left:
                    break
                pair = v.choose(Counter({pair: -count for pair, count in left.items()}) if self.rarest else left)
                merges.append(self.result(pair))
                del counts[pair]
                texts = [(self.join(symbols, pair), count) for symbols, count in texts]
            return merges

        return learn

    def _counted(self, texts: Sequence[tuple[list[str], int]]) -> Counted:
        counts: Counted = Counter()
        for symbols, count in texts:
            for pair in self.counts(symbols):
                counts[pair] += count
        return counts


_RIGHT = _Spelling()
learned = _RIGHT.__call__
"""v -> the right answer."""


def _with(**changed: Any) -> Callable[[Rule], Answer]:
    spelled = replace(_RIGHT, **changed)
    return lambda v: {"learn": spelled(v)}


def _as(tie: Tie) -> Callable[[Rule], Answer]:
    return lambda v: {"learn": learned(replace(v, tie=tie))}


def _apart(symbols: Sequence[str]) -> Iterator[Pair]:
    """Pairs that do not overlap with the same pair before them."""
    last, place = None, -2
    for i, pair in enumerate(pairwise(symbols)):
        if pair == last and i == place + 1:
            last = None
            continue
        last, place = pair, i
        yield pair


def _from_the_right(symbols: Sequence[str], pair: Pair) -> list[str]:
    walked: list[str] = []
    i = len(symbols)
    while i > 0:
        two = tuple(symbols[max(0, i - 2) : i]) == pair
        walked.append("".join(symbols[i - 2 : i]) if two else symbols[i - 1])
        i -= 1 + two
    return walked[::-1]


def _first_only(symbols: Sequence[str], pair: Pair) -> list[str]:
    for i, two in enumerate(pairwise(symbols)):
        if two == pair:
            return [*symbols[:i], "".join(pair), *symbols[i + 2 :]]
    return list(symbols)


_TIES: dict[Tie, str] = {
    "first": "the one that was seen first",
    "lowest": "the lowest",
    "highest": "the highest",
    "shortest": "the shortest",
}
_TIE = (
    "of equally frequent pairs another one was taken: which, is part of the definition, and gives another vocabulary."
)
MISTAKES = (
    *(
        Wrong(
            name=f"ties, {tie}",
            answer=_as(tie),
            sentence=f"{_TIE} Yours takes {said}.",
            applies=lambda v, tie=tie: v.tie != tie,  # type: ignore[misc]
        )
        for tie, said in _TIES.items()
    ),
    Wrong(
        name="ties by text",
        answer=lambda v: {"learn": learned(replace(v, by_text=True))},
        sentence="of equally frequent pairs yours takes one by the joined text: pairs are compared half by half, so "
        "(a, b) comes before (aa, a).",
        applies=lambda v: v.tie in ("lowest", "highest"),
    ),
    Wrong(
        name="across words",
        answer=_with(across=True),
        sentence="a pair was counted whose halves stand in two words: each word is counted by itself.",
    ),
    Wrong(
        name="the other weight",
        answer=lambda v: {"learn": learned(replace(v, once=not v.once))},
        sentence="words weigh otherwise than they should: as often as they occur, or once each? Read the task again.",
    ),
    Wrong(
        name="overlaps once",
        answer=_with(counts=_apart),
        sentence="pairs that overlap were counted once: `aaa` has the pair (a, a) twice.",
    ),
    Wrong(
        name="a pair once a word",
        answer=_with(counts=lambda symbols: iter(dict.fromkeys(pairwise(symbols)))),
        sentence="a pair that stands in a word twice was counted once.",
    ),
    Wrong(
        name="not counted anew",
        answer=_with(counts_anew=False),
        sentence="pairs were counted at the beginning only: after a merge there are new pairs, and fewer old ones.",
    ),
    Wrong(
        name="from the right",
        answer=_with(join=_from_the_right),
        sentence="the pair was joined from the right: `aaa` becomes (aa, a), not (a, aa).",
    ),
    Wrong(
        name="first place only",
        answer=_with(join=_first_only),
        sentence="a pair was joined at its first place in a word only: wherever it stands.",
    ),
    Wrong(
        name="the rarest",
        answer=_with(rarest=True),
        sentence="the rarest pair was taken: the most frequent one saves most.",
    ),
    Wrong(
        name="pairs that occur once",
        answer=_with(least=1),
        sentence="a pair that occurs once was merged: that saves nothing, stop where none occurs twice.",
    ),
    Wrong(
        name="three at least",
        answer=_with(least=3),
        sentence="pairs that occur twice were left: twice is enough.",
    ),
    Wrong(
        name="one more",
        answer=_with(more=1),
        sentence="there is one merge too many: n at most.",
    ),
    Wrong(
        name="joined texts",
        answer=_with(result="".join),
        sentence="the joined texts came back; pairs are asked for, since `abc` may be made in two ways.",
    ),
)
