"""Exercise 11a: learn which pairs of neighbours become one token, in which order."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

from ...exercise import Answer, Broken, Exercise, Observation, law
from ...judging import digits
from .mistakes import MISTAKES, Pair, Rule, Words, learned

VARIANTS = {
    "as often as they occur, lowest": Rule("lowest"),
    "as often as they occur, highest": Rule("highest"),
    "as often as they occur, first seen": Rule("first"),
    "as often as they occur, shortest": Rule("shortest"),
    "each word once, lowest": Rule("lowest", once=True),
    "each word once, highest": Rule("highest", once=True),
    "each word once, first seen": Rule("first", once=True),
    "each word once, shortest": Rule("shortest", once=True),
}
_TIES = {
    "lowest": "the lowest, as Python sorts pairs of strings",
    "highest": "the highest, as Python sorts pairs of strings",
    "first": "the one that is seen first, words in their order and each from left to right",
    "shortest": "the one whose text is shortest; of these the lowest, as Python sorts pairs of strings",
}


@dataclass(frozen=True)
class Corpus:
    """Words, how often each occurs, and how many merges to learn."""

    words: Words
    n: int

    def __str__(self) -> str:
        return f"learn({dict(self.words)}, {self.n})"


def _starter(v: Rule) -> str:
    weight = "once, however often it occurs" if v.once else "as often as it occurs"
    return f'''"""Exercise 11a: byte pair encoding, with letters for bytes.

Every word begins as its letters. Then, n times:
    count the pairs of neighbours in each word, never across two; a word counts {weight}
    take the most frequent pair; of equally frequent ones
        {_TIES[v.tie]}
    join it wherever it stands, from left to right: it is one symbol from now on
Stop early where no pair occurs twice. Pairs that overlap count: aaa has (a, a) twice.
Check it with:  nanochat learn check 11a
"""


def learn(words, n):
    """words, a dictionary of word -> how often -> the pairs in the order in which they are joined: [("a", "b"), ...]"""
    ...
'''


_TIED = "kef 1kef mn 2mn abc 3abc yza 4yza ab ab5 za6 ef7".split()
"""After three merges four pairs occur twice: the one seen first, the shortest, the lowest and the highest."""


def _cases(rng: random.Random, v: Rule) -> list[Corpus]:
    """Small ones by hand, one for each thing that can go wrong (no pair left, too); then words of three letters."""
    cases = [
        Corpus({"aaabdaaabac": 1}, 3),
        Corpus({"ab": 2, "ba": 2, "cd": 1}, 3),
        Corpus({"aaaaa": 1, "bcxbcybc": 1}, 2),
        Corpus(dict.fromkeys(_TIED, 1), 4),
        Corpus({"abab": 2, "ab": 1, "zx": 3, "zxy": 1}, 5),
        Corpus({"yxyx": 1, "zy": 2, "xz": 2}, 4),
        Corpus({"ab": 2, "c": 3}, 3),
        Corpus({"a": 3, "b": 1}, 2),
    ]
    for n_words in (4, 6):
        words = {_word(rng): rng.randint(1, 4) for _ in range(n_words)}
        cases.append(Corpus(words, rng.randint(4, 7)))
    return cases


def _word(rng: random.Random) -> str:
    return "".join(rng.choice("abc") for _ in range(rng.randint(2, 6)))


# **** laws


def _pairs(answer: Answer, case: Corpus, v: Rule) -> Broken | None:
    got = answer["learn"](dict(case.words), case.n)
    said = f"{case.n} pairs of strings at most"
    if not isinstance(got, (list, tuple)) or not all(map(_is_pair, got)):
        return Broken(call=str(case), expected=said, got=digits(got))
    return None if len(got) <= case.n else Broken(call=str(case), expected=said, got=f"{len(got)} pairs")


def _is_pair(one: Any) -> bool:
    return isinstance(one, (tuple, list)) and len(one) == 2 and all(isinstance(half, str) for half in one)


def _made(answer: Answer, case: Corpus, v: Rule) -> Broken | None:
    """A half is a letter, or was joined before."""
    there = {letter for word in case.words for letter in word}
    for i, (left, right) in enumerate(answer["learn"](dict(case.words), case.n)):
        for half in (left, right):
            if half not in there:
                said = f"one of {', '.join(sorted(there))}"
                return Broken(call=f"{case}[{i}]: a half", expected=said, got=repr(half))
        there.add(left + right)
    return None


def _begins(answer: Answer, case: Corpus, v: Rule) -> Broken | None:
    """The first merges do not depend on how many follow."""
    fewer, more = (_learned(answer, replace(case, n=n)) for n in (case.n - 1, case.n))
    if more[: len(fewer)] == fewer:
        return None
    call = f"{replace(case, n=case.n - 1)}"
    return Broken(call=call, expected=f"{more[: case.n - 1]}, as with one more", got=f"{fewer}")


def _order(answer: Answer, case: Corpus, v: Rule) -> Broken | None:
    """Unless the first that is seen is taken."""
    if v.tie == "first":
        return None
    turned = replace(case, words=dict(list(case.words.items())[::-1]))
    before, after = _learned(answer, case), _learned(answer, turned)
    return None if before == after else Broken(call=str(turned), expected=f"{before}, as before", got=f"{after}")


def _value(answer: Answer, case: Corpus, v: Rule) -> Broken | None:
    got, expected = _learned(answer, case), learned(v)(case.words, case.n)
    for i in range(max(len(got), len(expected))):
        pair, right = (f"{one[i]}" if i < len(one) else "nothing any more" for one in (got, expected))
        if pair != right:
            return Broken(call=f"{case}[{i}]", expected=right, got=pair)
    return None


def _learned(answer: Answer, case: Corpus) -> list[Pair]:
    return [tuple(pair) for pair in answer["learn"](dict(case.words), case.n)]


def _observe(answer: Answer, case: Corpus, v: Rule) -> Observation:
    got = answer["learn"](dict(case.words), case.n)
    shown = [f"{pair[0]} {pair[1]}" if _is_pair(pair) else repr(pair) for pair in got]
    return {f"merge {i}": pair for i, pair in enumerate(shown)} | {"merges": len(shown)}


# **** a second right answer


def _by_places(v: Rule) -> Answer:
    """With a mark between words in one text; each pair's places are looked up anew."""

    def learn(words: Words, n: int) -> list[Pair]:
        text: list[str] = []
        weights: list[int] = []
        for word, count in words.items():
            text += ["", *word]
            weights += [1 if v.once else count] * (len(word) + 1)
        merges: list[Pair] = []
        for _ in range(n):
            counts: dict[Pair, int] = {}
            for i in range(len(text) - 1):
                if text[i] and text[i + 1]:
                    counts[text[i], text[i + 1]] = counts.get((text[i], text[i + 1]), 0) + weights[i]
            if max(counts.values(), default=0) < 2:
                break
            best = [pair for pair, count in counts.items() if count == max(counts.values())]
            pair = best[0] if v.tie == "first" else min(best, key=lambda one: _key(v, one))
            if v.tie == "highest":
                pair = max(best)
            merges.append(pair)
            i = 0
            while i < len(text) - 1:
                if (text[i], text[i + 1]) == pair:
                    text[i] += text.pop(i + 1)
                    weights.pop(i + 1)
                i += 1
        return merges

    return {"learn": learn}


def _key(v: Rule, pair: Pair) -> tuple[Any, ...]:
    return (len(pair[0] + pair[1]), *pair) if v.tie == "shortest" else pair


EXERCISE = Exercise(
    title="learning merges",
    file="merges.py",
    asks=("learn",),
    starter=_starter,
    variants=VARIANTS,
    cases=_cases,
    call=str,
    laws=(
        law("pairs", "a list of pairs comes back, n at most", _pairs, 1),
        law("made", "a half is a letter, or was joined before", _made, 1, "pairs"),
        law("begins", "fewer merges are the beginning of more", _begins, 1, "pairs"),
        law("order", "words in another order give the same (unless first seen is asked for)", _order, 1, "pairs"),
        law("value", "every merge is the most frequent pair of its time", _value, 4, "pairs"),
    ),
    observe=_observe,
    right=(lambda v: {"learn": learned(v)}, _by_places),
    wrong=MISTAKES,
    hints=(
        "Keep every word as a list of symbols beside its weight. One function counts, one joins, a loop does both.",
        "joining: walk with an index; where symbols i and i + 1 are the pair, take both and go two further.",
        "max(counts, key=...) with a pair (count, what decides ties) as key; count again after every merge.",
    ),
    project="nanochat.tokenizers.merges:learn_merges",
)
