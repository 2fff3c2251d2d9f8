"""Byte pair encoding, the applying half: merge a sequence of ids until no learned pair is left. Knows no text."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from itertools import pairwise


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
