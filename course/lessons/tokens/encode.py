"""Exercise 11b: cut a word into tokens by merges that were learned: the one that was learned first goes first."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ...exercise import Answer, Broken, Exercise, Law, Observation, Wrong
from ...judging import digits
from .mistakes import Pair, Rule, joined, learned

Symbols = list[str]


@dataclass(frozen=True)
class Word:
    """A text, and the merges in their order."""

    text: str
    merges: tuple[Pair, ...]

    def __str__(self) -> str:
        return f"encode({self.text!r}, {list(self.merges)})"


def _starter(v: bool) -> str:
    begin = "its letters, and a mark _ after the last" if v else "its letters"
    return f'''"""Exercise 11b: encode a word.

It begins as {begin}. As long as there are neighbours that are a pair of merges:
take the pair that was learned first, and join it wherever it stands, from left to right.

Check it with:  nanochat learn check 11b
"""


def encode(word, merges):
    """word, a string; merges, a list of pairs in the order in which they were learned -> a list of strings"""
    ...
'''


def _cases(rng: random.Random, v: bool) -> list[Word]:
    """`abc` with (b, c) learned before (a, b) is a bc: by hand."""
    cases = [
        Word("abc", (("b", "c"), ("a", "b"))),
        Word("aaaa", (("a", "a"),)),
        Word("abc", (("b", "c"), ("a", "b"), ("a", "bc"))),
        Word("abcab", (("a", "b"), ("ab", "c"), ("b", "c"))),
        Word("bcbc", (("b", "c"), ("bc", "bc"))),
        Word("abcd", (("c", "d"), ("a", "b"), ("b", "cd"), ("ab", "cd"))),
        Word("xabc", (("b", "c"), ("a", "b"), ("ab", "c"), ("x", "a"))),
        Word("ab", (("b", "_"), ("a", "b"))),
    ]
    for _ in range(3):
        words = {"".join(rng.choice("abc") for _ in range(rng.randint(2, 6))): 2 for _ in range(6)}
        merges = tuple(learned(Rule("lowest"))(words, 6))
        cases.append(Word("".join(rng.choice("abc") for _ in range(8)), merges))
    return cases


def _run(answer: Answer, case: Word) -> Any:
    return answer["encode"](case.text, list(case.merges))


def _begin(word: str, v: bool) -> Symbols:
    return [*word, "_"] if v else list(word)


# **** laws


def _round_trip(answer: Answer, case: Word, v: bool) -> Broken | None:
    got, expected = _run(answer, case), "".join(_begin(case.text, v))
    if isinstance(got, (list, tuple)) and all(isinstance(one, str) for one in got) and "".join(got) == expected:
        return None
    return Broken(call=str(case), expected=f"strings that join to {expected!r}", got=digits(got))


def _done(answer: Answer, case: Word, v: bool) -> Broken | None:
    got = list(_run(answer, case))
    left = next((pair for pair in pairwise(got) if pair in case.merges), None)
    if left is None:
        return None
    return Broken(call=str(case), expected="no neighbours that are a pair of merges", got=f"{got}, with {left} in it")


def _known(answer: Answer, case: Word, v: bool) -> Broken | None:
    there = {*_begin(case.text, v), *(left + right for left, right in case.merges)}
    strange = next((one for one in _run(answer, case) if one not in there), None)
    if strange is None:
        return None
    return Broken(call=str(case), expected="letters and joined pairs", got=f"{strange!r} among them")


def _value(answer: Answer, case: Word, v: bool) -> Broken | None:
    got, expected = list(_run(answer, case)), _by_rank(v)["encode"](case.text, case.merges)
    return None if got == expected else Broken(call=str(case), expected=f"{expected}", got=f"{got}")


def _observe(answer: Answer, case: Word, v: bool) -> Observation:
    got = _run(answer, case)
    return {"tokens": " ".join(got) if isinstance(got, (list, tuple)) else digits(got)}


# **** right and wrong

Encode = Callable[[Symbols, Sequence[Pair]], Symbols]


def _answer(encode: Encode) -> Callable[[bool], Answer]:
    return lambda v: {"encode": lambda word, merges: encode(_begin(word, v), list(merges))}


def _ranked(symbols: Symbols, merges: Sequence[Pair]) -> Symbols:
    while found := [pair for pair in pairwise(symbols) if pair in merges]:
        symbols = joined(symbols, min(found, key=merges.index))
    return symbols


def _in_order(symbols: Symbols, merges: Sequence[Pair]) -> Symbols:
    """One merge after another, each once: is that the same? (It is: a pair's halves were there before it.)"""
    for pair in merges:
        symbols = joined(symbols, pair)
    return symbols


def _leftmost(symbols: Symbols, merges: Sequence[Pair]) -> Symbols:
    while (at := next((i for i, pair in enumerate(pairwise(symbols)) if pair in merges), None)) is not None:
        symbols = [*symbols[:at], symbols[at] + symbols[at + 1], *symbols[at + 2 :]]
    return symbols


def _longest(symbols: Symbols, merges: Sequence[Pair]) -> Symbols:
    """From the left, the longest token that fits."""
    text, tokens, at, found = "".join(symbols), {a + b for a, b in merges}, 0, []
    while at < len(text):
        size = max((len(token) for token in tokens if text.startswith(token, at)), default=1)
        found.append(text[at : at + size])
        at += size
    return found


def _by_text(symbols: Symbols, merges: Sequence[Pair]) -> Symbols:
    """Whatever joins to a known text is joined."""
    texts = [a + b for a, b in merges]
    while found := [(texts.index(a + b), (a, b)) for a, b in pairwise(symbols) if a + b in texts]:
        symbols = joined(symbols, min(found)[1])
    return symbols


def _latest(symbols: Symbols, merges: Sequence[Pair]) -> Symbols:
    return _ranked(symbols, merges[::-1])


def _once(symbols: Symbols, merges: Sequence[Pair]) -> Symbols:
    """Each merge joins its first place only."""
    for pair in merges:
        at = next((i for i, two in enumerate(pairwise(symbols)) if two == pair), None)
        if at is not None:
            symbols = [*symbols[:at], symbols[at] + symbols[at + 1], *symbols[at + 2 :]]
    return symbols


def _one_round(symbols: Symbols, merges: Sequence[Pair]) -> Symbols:
    found = [pair for pair in pairwise(symbols) if pair in merges]
    return joined(symbols, min(found, key=merges.index)) if found else symbols


_by_rank = _answer(_ranked)


EXERCISE = Exercise(
    title="encoding a word",
    file="encode.py",
    asks=("encode",),
    starter=_starter,
    variants={"letters": False, "letters and an end": True},
    cases=_cases,
    call=str,
    laws=(
        Law(name="joined", sentence="the tokens join to the word again", holds=_round_trip, points=2),
        Law(
            name="known", sentence="every token is a letter or a pair that was learned", holds=_known, needs=("joined",)
        ),
        Law(name="done", sentence="no pair is left to join", holds=_done, needs=("joined",)),
        Law(
            name="value",
            sentence="what was learned first was joined first",
            holds=_value,
            points=3,
            needs=("joined",),
        ),
    ),
    observe=_observe,
    right=(_by_rank, _answer(_in_order)),
    wrong=(
        Wrong(
            name="from the left",
            answer=_answer(_leftmost),
            sentence="pairs were joined as they come, from the left: with (b, c) learned before (a, b), abc is a bc.",
        ),
        Wrong(
            name="the longest",
            answer=_answer(_longest),
            sentence="the longest token that fits was taken, from the left: that is another tokenizer. Merges go by "
            "when they were learned.",
        ),
        Wrong(
            name="by their text",
            answer=_answer(_by_text),
            sentence="neighbours were joined because their text is a token; it is pairs that were learned: abc made of "
            "ab and c is not abc made of a and bc.",
        ),
        Wrong(
            name="the latest",
            answer=_answer(_latest),
            sentence="the pair that was learned last went first: it is the other way round.",
        ),
        Wrong(
            name="once each",
            answer=_answer(_once),
            sentence="a pair was joined at its first place only: wherever it stands.",
        ),
        Wrong(
            name="one round",
            answer=_answer(_one_round),
            sentence="one pair was joined, and that was all: go on until there is none.",
        ),
        Wrong(
            name="nothing joined",
            answer=_answer(lambda symbols, merges: symbols),
            sentence="nothing was joined: these are the letters.",
        ),
        Wrong(
            name="the other beginning",
            answer=lambda v: _answer(_ranked)(not v),
            sentence="look how a word begins: is there a mark after its last letter?",
        ),
    ),
    hints=(
        "Which neighbours are in merges? Of those, which stands first in the list?",
        "Join it everywhere, and look again, since new neighbours came into being. Stop where there are none.",
        "Is one walk through merges, in their order, the same? Try to find a word where it is not.",
    ),
    project="nanochat.tokenizers.merges:merge",
)
