"""Where the boxes of a layered picture go, and how the arrows run between them: plain geometry, no text, no colour.

The four classical steps (Sugiyama, Tagawa and Toda 1981): a column for every node (its longest distance from the
result), corridors for arrows that cross a column, an order within each column that crosses few arrows (sweeps of
barycentres), and heights that make arrows short and straight. Left to right; y grows downward.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""left, top, right, bottom"""
Curve = tuple[Point, Point]
"""From a point to a point, leaving and arriving horizontally."""

_SWEEPS = 24
_SETTLING = 120
_CORRIDOR = 14.0
"""Height kept free for an arrow that crosses a column."""
COLUMN_GAP = 96.0
"""Least width between two columns, with room for a label on the arrow."""
_GAP = 22.0
"""Height between two boxes."""


@dataclass(frozen=True)
class Layout:
    """The boxes, as wide as the widest of their column; the curves of each edge; the size of the whole."""

    boxes: list[Box]
    routes: list[list[Curve]]
    width: float
    height: float


def layout(sizes: Sequence[Point], edges: Sequence[tuple[int, int]], *, column_gap: float = COLUMN_GAP) -> Layout:
    """Place boxes of `sizes` (width, height); each edge (source, target) has source < target, the last box is the sink.

    No two boxes overlap, and curves run between the columns only, so no arrow crosses a box.
    """
    n = len(sizes)
    ranks = _ranks(n, edges)
    heights = [height for _, height in sizes]
    chains = _corridors(edges, ranks, heights)
    links = sorted({pair for chain in chains for pair in pairwise(chain)})
    order = _order(ranks, links, first=n - 1)
    middles = _middles(order, heights, links, n)
    top = min(middles[i] - heights[i] / 2 for i in range(len(middles)))
    middles = [y - top for y in middles]

    widths = [max((sizes[i][0] for i in column if i < n), default=0.0) for column in order]
    gaps = [column_gap] * len(order)  # each before the column of the same number, wider where its arrows are steep
    for source, target in links:
        steep = abs(middles[source] - middles[target])
        gaps[ranks[source]] = max(gaps[ranks[source]], min(column_gap + 0.15 * (steep - 150.0), 3 * column_gap))
    lefts = [0.0]  # columns are numbered from the result, which stands on the right
    for column in range(len(order) - 1, 0, -1):
        lefts.append(lefts[-1] + widths[column] + gaps[column])
    lefts.reverse()
    boxes = [
        (lefts[r], middles[i] - heights[i] / 2, lefts[r] + widths[r], middles[i] + heights[i] / 2)
        for i, r in enumerate(ranks[:n])
    ]
    ports = _ports(edges, chains, middles, heights)
    routes = [_route(chain, port, ranks, middles, lefts, widths) for chain, port in zip(chains, ports, strict=True)]
    height = max(middles[i] + heights[i] / 2 for i in range(len(middles)))
    return Layout(boxes, routes, width=lefts[0] + widths[0], height=height)


def _ranks(n: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    ranks = [0] * n
    for source, target in sorted(edges, key=lambda edge: -edge[1]):
        ranks[source] = max(ranks[source], ranks[target] + 1)
    return ranks


def _corridors(edges: Sequence[tuple[int, int]], ranks: list[int], heights: list[float]) -> list[list[int]]:
    """The places each edge runs through; new ones are added to ranks and heights. Edges of one source share them."""
    shared: dict[tuple[int, int], int] = {}
    chains = []
    for source, target in edges:
        chain = [source]
        for rank in range(ranks[source] - 1, ranks[target], -1):
            if (source, rank) not in shared:
                shared[source, rank] = len(ranks)
                ranks.append(rank)
                heights.append(_CORRIDOR)
            chain.append(shared[source, rank])
        chains.append([*chain, target])
    return chains


def _order(ranks: list[int], links: Sequence[tuple[int, int]], *, first: int) -> list[list[int]]:
    """Places of each column from top to bottom, the best of some sweeps by number of crossings."""
    behind: list[list[int]] = [[] for _ in ranks]
    ahead: list[list[int]] = [[] for _ in ranks]
    for source, target in links:
        behind[target].append(source)
        ahead[source].append(target)
    columns: list[list[int]] = [[] for _ in range(max(ranks) + 1)]
    stack, seen = [first], {first}
    while stack:  # depth first from the result: operands start out in the order they were written
        place = stack.pop()
        columns[ranks[place]].append(place)
        for parent in reversed(behind[place]):
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    best, fewest = columns, _crossings(columns, ahead)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        columns = [list(column) for column in columns]
        outward = sweep % 2 == 0
        for i in range(1, len(columns)) if outward else range(len(columns) - 2, -1, -1):
            fixed = {place: y for y, place in enumerate(columns[i - 1 if outward else i + 1])}
            neighbours = ahead if outward else behind
            here = {place: y for y, place in enumerate(columns[i])}
            centre = {
                place: sum(fixed[k] for k in neighbours[place]) / len(neighbours[place])
                if neighbours[place]
                else here[place] * len(fixed) / len(here)
                for place in columns[i]
            }
            columns[i].sort(key=lambda place, centre=centre: centre[place])  # type: ignore[misc]
        crossings = _crossings(columns, ahead)
        if crossings < fewest:
            best, fewest = columns, crossings
    return best


def _crossings(columns: Sequence[Sequence[int]], ahead: Sequence[Sequence[int]]) -> int:
    total = 0
    for nearer, farther in pairwise(columns):
        position = {place: y for y, place in enumerate(nearer)}
        passed: list[int] = []
        for place in farther:
            ends = sorted(position[k] for k in ahead[place])
            total += sum(len(passed) - bisect_right(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return total


def _middles(
    order: Sequence[Sequence[int]], heights: Sequence[float], links: Sequence[tuple[int, int]], n: int
) -> list[float]:
    """Heights that bring every place near the mean of its neighbours, in the given order and without overlap."""
    neighbours: list[list[tuple[int, float]]] = [[] for _ in heights]
    for a, b in links:
        weight = 1.0 + 3.0 * (a >= n) + 3.0 * (b >= n)  # corridors first of all straight
        neighbours[a].append((b, weight))
        neighbours[b].append((a, weight))
    middles = [0.0] * len(heights)
    for sweep in range(_SETTLING):
        moved = 0.0
        for column in order if sweep % 2 == 0 else reversed(order):
            wishes, weights = [], []
            for place in column:
                weight = sum(w for _, w in neighbours[place]) or 1.0
                mean = sum(middles[k] * w for k, w in neighbours[place]) / weight
                wishes.append(mean if neighbours[place] else middles[place])
                weights.append(weight)
            for place, y in zip(column, _spread([heights[k] for k in column], wishes, weights), strict=True):
                moved = max(moved, abs(middles[place] - y))
                middles[place] = y
        if moved < 0.01:
            break
    return middles


def _spread(heights: Sequence[float], wishes: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The middles nearest to the wishes (weighted squares) that leave a gap between neighbours: isotonic regression."""
    offsets = [0.0]
    for above, below in pairwise(heights):
        offsets.append(offsets[-1] + (above + below) / 2 + _GAP)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many
    for wish, offset, weight in zip(wishes, offsets, weights, strict=True):
        mean, total, size = wish - offset, weight, 1
        while blocks and blocks[-1][0] > mean:
            above, above_total, above_size = blocks.pop()
            mean = (mean * total + above * above_total) / (total + above_total)
            total, size = total + above_total, size + above_size
        blocks.append((mean, total, size))
    starts = [mean for mean, _, size in blocks for _ in range(size)]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]


def _ports(
    edges: Sequence[tuple[int, int]],
    chains: Sequence[Sequence[int]],
    middles: Sequence[float],
    heights: Sequence[float],
) -> list[float]:
    """The height at which each edge enters its box: spread over its side, in the order in which they come."""
    entering: dict[int, list[int]] = {}
    for i, (_, target) in enumerate(edges):
        entering.setdefault(target, []).append(i)
    ports = [0.0] * len(edges)
    for target, arrivals in entering.items():
        arrivals.sort(key=lambda i: (middles[chains[i][-2]], i))
        for k, i in enumerate(arrivals):
            share = (k + 1) / (len(arrivals) + 1) - 0.5
            ports[i] = middles[target] + share * heights[target]
    return ports


def _route(
    chain: Sequence[int],
    port: float,
    ranks: Sequence[int],
    middles: Sequence[float],
    lefts: Sequence[float],
    widths: Sequence[float],
) -> list[Curve]:
    """One curve for each gap between columns that the edge crosses; the ends of successive curves lie level."""
    curves = []
    for here, there in pairwise(chain):
        arrives = port if there == chain[-1] else middles[there]
        start = lefts[ranks[here]] + widths[ranks[here]]
        curves.append(((start, middles[here]), (lefts[ranks[there]], arrives)))
    return curves
