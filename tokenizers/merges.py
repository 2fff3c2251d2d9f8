"""Byte pair encoding, learned and applied: which pairs of neighbours become one token, in which order.

    repeat:   count every pair of neighbouring symbols inside the words   (overlapping: "aaa" has two pairs)
              take the most frequent pair; of equally frequent ones the lowest, by ids
              give it the next id and replace it everywhere, from left to right

Counting again after every merge costs the whole text each time. Here only the neighbours of what is merged change
their counts, so all merges together cost little more than the first count. Knows no text: words are sequences of ids.

Sennrich et al. 2016, arXiv:1508.07909
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from itertools import pairwise

Pair = tuple[int, int]

_EDGE = -1  # between two words: no pair reaches across


def learn_merges(
    words: Mapping[tuple[int, ...], int], *, first_id: int, n_merges: int, min_count: int = 2
) -> list[Pair]:
    """The pairs to merge, in order; the i-th becomes id `first_id + i`.

    words: symbols of each word -> how often it occurs. Fewer than `n_merges` if no pair is left that occurs
    `min_count` times. The order of `words` does not matter.

    >>> learn_merges({(1, 2, 1, 2, 3): 1, (1, 2): 5}, first_id=4, n_merges=9)
    [(1, 2)]
    """
    symbols = _Symbols(words.items())
    # An old pair can only become rarer, and a pair with a new id is complete when its merge is done. So an entry of
    # the heap is never too low, and one that is too high is put back where it belongs when it comes up.
    heap = [(-n, pair) for pair, n in symbols.counts.items()]
    heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < n_merges:
        n, pair = heappop(heap)
        now = symbols.counts[pair]
        if now < min_count:
            continue
        if now < -n:
            heappush(heap, (-now, pair))
            continue
        new_id = first_id + len(merges)
        merges.append(pair)
        for changed in symbols.merge(pair, new_id):
            heappush(heap, (-symbols.counts[changed], changed))
    return merges


class _Symbols:
    """All words in a row, as a linked list with an edge between words; how often each pair occurs, and where."""

    def __init__(self, words: Iterable[tuple[tuple[int, ...], int]]) -> None:
        self.ids = [_EDGE]
        self.weights = [0]  # how often the word occurs that a position belongs to
        for word, n in words:
            self.ids += [*word, _EDGE]
            self.weights += [n] * (len(word) + 1)
        self.following = list(range(1, len(self.ids) + 1))
        self.previous = list(range(-1, len(self.ids) - 1))
        self.counts: dict[Pair, int] = {}
        self.places: dict[Pair, list[int]] = {}  # of the left symbol, ascending; may name some that are gone
        for i, pair in enumerate(pairwise(self.ids)):
            if _EDGE not in pair:
                self.counts[pair] = self.counts.get(pair, 0) + self.weights[i]
                self.places.setdefault(pair, []).append(i)

    def merge(self, pair: Pair, new_id: int) -> set[Pair]:
        """Replace `pair` by `new_id` everywhere, and return the pairs that came into being."""
        left, right = pair
        ids, following, previous, weights = self.ids, self.following, self.previous, self.weights
        born: set[Pair] = set()
        for i in self.places.pop(pair):
            j = following[i]
            if ids[i] != left or ids[j] != right:
                continue  # an earlier merge has taken one of the two
            n, before, after = weights[i], previous[i], following[j]
            if ids[before] != _EDGE:
                self._change((ids[before], left), (ids[before], new_id), before, n, born)
            if ids[after] != _EDGE:
                self._change((right, ids[after]), (new_id, ids[after]), i, n, born)
            ids[i], ids[j] = new_id, _EDGE
            following[i], previous[after] = after, i
        self.counts[pair] = 0
        return born

    def _change(self, old: Pair, new: Pair, place: int, n: int, born: set[Pair]) -> None:
        self.counts[old] -= n
        if new not in self.counts:
            self.counts[new], self.places[new] = 0, []
        self.counts[new] += n
        self.places[new].append(place)
        born.add(new)


def merge(ids: list[int], ranks: Mapping[tuple[int, int], tuple[int, int]]) -> list[int]:
    """`ids` after all merges: always the pair that was learned first, of several such the leftmost.

    ranks: pair -> (when it was learned, the id it becomes). A heap of candidates over a linked list takes n log n
    steps; looking for the best pair again after every merge would take n^2, and one line of 100,000 letters without
    a space would stop the program.

    >>> merge([1, 2, 2, 1, 2], {(1, 2): (0, 3), (3, 2): (1, 4)})
    [4, 3]
    """
    n = len(ids)
    ids = ids.copy()
    following, previous = list(range(1, n + 1)), list(range(-1, n - 1))
    heap = [ranks[pair][0] * n + i for i, pair in enumerate(pairwise(ids)) if pair in ranks]  # by rank, then by place
    heapify(heap)
    while heap:
        rank, i = divmod(heappop(heap), n)
        j = following[i]
        found = ranks.get((ids[i], ids[j])) if j < n else None
        if found is None or found[0] != rank:
            continue  # an earlier merge has taken one of the two
        ids[i], ids[j] = found[1], -1
        after = following[i] = following[j]
        if after < n:
            previous[after] = i
        for left, right in ((previous[i], i), (i, after)):
            if left >= 0 and right < n and (pair := ranks.get((ids[left], ids[right]))):
                heappush(heap, pair[0] * n + left)
    return [id_ for id_ in ids if id_ >= 0]
