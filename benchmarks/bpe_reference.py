"""Byte pair encoding the plain way: count everything again after every merge. What nanochat's is measured against.

The tests hold both to the same merges and ids; this one is short enough to be believed at sight.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

Pair = tuple[int, int]
Word = tuple[int, ...]


def learn_merges_plainly(
    words: Sequence[tuple[Word, int]], *, first_id: int, n_merges: int, min_count: int = 2
) -> list[Pair]:
    """As `nanochat.tokenizers.merges.learn_merges`; `words` may name a word more than once."""
    merges: list[Pair] = []
    while len(merges) < n_merges:
        counts: Counter[Pair] = Counter()
        for word, n in words:
            for pair in pairwise(word):
                counts[pair] += n
        if not counts:
            break
        best, n = min(counts.items(), key=lambda item: (-item[1], item[0]))
        if n < min_count:
            break
        new_id = first_id + len(merges)
        words = [(replace_pair(word, best, new_id), n) for word, n in words]
        merges.append(best)
    return merges


def replace_pair(word: Word, pair: Pair, new_id: int) -> Word:
    """`word` with `pair` replaced from left to right: (1, 1, 1) with (1, 1) as 2 is (2, 1)."""
    left, right = pair
    out: list[int] = []
    i = 0
    while i < len(word):
        if word[i] == left and i + 1 < len(word) and word[i + 1] == right:
            out.append(new_id)
            i += 2
        else:
            out.append(word[i])
            i += 1
    return tuple(out)


def merge_plainly(ids: Sequence[int], ranks: Mapping[Pair, tuple[int, int]]) -> list[int]:
    """As `nanochat.tokenizers.merges.merge`: look at all pairs, merge the one learned first, look again."""
    word = tuple(ids)
    while known := [pair for pair in pairwise(word) if pair in ranks]:
        best = min(known, key=lambda pair: ranks[pair][0])
        word = replace_pair(word, best, ranks[best][1])
    return list(word)
