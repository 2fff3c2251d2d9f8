"""Tokens cut into batches: random windows or whole documents to train on, everything once to evaluate on.

A batch is a pure function of (seed, position), position = the number of the micro-batch since the start of training:
nothing is carried from one to the next, so a run resumes anywhere. Knows ids only, no text and no model.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from importlib import import_module
from typing import Literal, NamedTuple, get_args

import numpy as np

from ..errors import ConfigError, DataError
from .packing import Packing, fill_rows, lay_side_by_side
from .tokens import TokenArray

Kind = Literal["windows", "documents"]

IGNORED = -1
"""A target that no loss counts."""
_PAD_ID = 0


class Batch(NamedTuple):
    """What a model is asked, and the answers: `model.loss(*batch)`.  int64 arrays (B, T)."""

    inputs: np.ndarray
    targets: np.ndarray
    segments: np.ndarray | None = None
    """Equal numbers may attend to each other; None: each row is one piece."""

    @property
    def n_targets(self) -> int:
        """Predictions that count."""
        return int(np.count_nonzero(self.targets != IGNORED))


class Batches:
    """Training batches: `batches.batch(position)` for position = 0, 1, 2, ...

    windows     B starts drawn uniformly; each row is min(block_size, N - 1) tokens and the token after each.
    documents   B rows of a permutation drawn anew each epoch. A row is BOS + document + BOS. What is longer than
                block_size predictions goes on in further rows, so every token is learned; shorter rows are padded
                to the longest of the batch: inputs 0, targets -1.

    packing, of documents:
    none        one document a row, as above.
    isolated    the permutation fills rows with whole documents up to block_size, each a segment of its own: none
                attends to another. Positions go on through the row, so with rope or without positions the loss is
                that of separate rows, while learned and sinusoidal ones show a document at every place of a row.
    joined      the same rows without segments: documents see those before them, as in one running text.
    bestfit     as joined, and every row full: where no document fits, the rest of one is left out (bestfit.py).

    A row, or a window, in which no target counts is never drawn.
    """

    def __init__(
        self,
        stream: TokenArray,
        *,
        kind: Kind,
        block_size: int,
        batch_size: int,
        seed: int,
        packing: Packing = "none",
    ) -> None:
        """Raises ConfigError on sizes below 1, a negative seed, a kind that the stream has not or packing of windows;
        DataError if it holds no pair of tokens, or no target that counts."""
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size} is no batch: choose 1 or more")
        if seed < 0:
            raise ConfigError(f"seed={seed} is negative: choose 0 or more")
        if packing not in get_args(Packing):
            raise ConfigError(
                f"packing={packing!r} is unknown: choose one of {', '.join(get_args(Packing))}",
                settings=(("packing", packing),),
            )
        if packing != "none" and kind == "windows":
            raise ConfigError(
                f"packing={packing!r} has no meaning for windows, which are full: choose packing='none'",
                settings=(("packing", packing), ("packing", "none")),
            )
        self.kind, self.packing = kind, packing
        self.batch_size = batch_size
        self.seed = seed
        self._stream = stream
        self._block_size = block_size
        self._rows = _cut(stream, kind, block_size)
        self._starts = _window_starts(stream, self._rows.width) if kind == "windows" else None
        self._order_of: tuple[int, _Order] | None = None
        self._first_rows = [0]  # what `_first_row` has found so far

    def batch(self, position: int) -> Batch:
        """The micro-batch number `position`: the same whatever was asked before.  -> (B, T)

        With packing the first question about epoch e costs e permutations, the next ones none.
        """
        if position < 0:
            raise ConfigError(f"position={position} lies before the first batch: count from 0")
        return self._windows(position) if self.kind == "windows" else self._documents(position)

    def epoch(self, position: int) -> float:
        """Passes over the data that the batches before `position` amount to."""
        rows_drawn = position * self.batch_size
        if self.kind == "documents":
            epoch, row, n_rows = self._locate(rows_drawn)
            return epoch + row / n_rows
        return rows_drawn * self._rows.width / (len(self._stream.ids) - 1)

    def n_batches(self, epochs: float) -> int:
        """Micro-batches that complete that many passes: the least position with `epoch(position)` >= epochs."""
        whole = int(epochs)
        if self.kind == "documents":
            first = self._first_row(whole)
            n_rows = first + (epochs - whole) * (self._first_row(whole + 1) - first)
        else:
            n_rows = epochs * (len(self._stream.ids) - 1) / self._rows.width
        return math.ceil(n_rows / self.batch_size - 1e-9)  # 0.1 of 30 rows is 3 of them, whatever floats say

    def _windows(self, position: int) -> Batch:
        rng = np.random.default_rng(np.random.SeedSequence((self.seed, position)))
        width = self._rows.width
        if self._starts is None:
            starts = rng.integers(0, len(self._stream.ids) - width, size=self.batch_size)  # the last is N - 1 - width
        else:
            starts = self._starts[rng.integers(0, len(self._starts), size=self.batch_size)]
        return _read_rows(self._stream, starts, np.full(self.batch_size, width))

    def _documents(self, position: int) -> Batch:
        n_rows = len(self._rows.starts)
        numbers = range(position * self.batch_size, (position + 1) * self.batch_size)
        if self.packing == "none":
            pieces = np.array([self._order(i // n_rows).pieces[i % n_rows] for i in numbers])
            return _read_rows(self._stream, self._rows.starts[pieces], self._rows.lengths[pieces])
        drawn = [self._row(i) for i in numbers]
        row_of = np.repeat(np.arange(len(drawn)), [row.shape[1] for row in drawn])
        pieces, lengths = np.concatenate(drawn, axis=1)
        at, segments = lay_side_by_side(self._rows.starts[pieces], lengths, row_of)
        return _read(self._stream, at, segments if self.packing == "isolated" else None)

    def _row(self, number: int) -> np.ndarray:
        """Documents, or pieces of long ones, and how much of each row `number` since the start holds.  -> (2, n)"""
        epoch, row, _ = self._locate(number)
        order = self._order(epoch)
        here = slice(order.bounds[row], order.bounds[row + 1])
        return np.stack([order.pieces[here], order.lengths[here]])

    def _locate(self, number: int) -> tuple[int, int, int]:
        """(epoch, row in it, rows that it has) of row `number`: packed, epochs differ in how many rows they fill."""
        if self.packing == "none":
            n_rows = len(self._rows.starts)
            return *divmod(number, n_rows), n_rows
        while self._first_rows[-1] <= number:
            self._first_row(len(self._first_rows))
        epoch = bisect_right(self._first_rows, number) - 1
        return epoch, number - self._first_rows[epoch], self._first_rows[epoch + 1] - self._first_rows[epoch]

    def _first_row(self, epoch: int) -> int:
        """The first row of `epoch` among all since the start of training."""
        if self.packing == "none":
            return epoch * len(self._rows.starts)
        while len(self._first_rows) <= epoch:
            n_rows = len(self._order(len(self._first_rows) - 1).bounds) - 1
            self._first_rows.append(self._first_rows[-1] + n_rows)
        return self._first_rows[epoch]

    def _order(self, epoch: int) -> _Order:
        """The permutation of `epoch`; the latest one is kept, since it costs more than a batch."""
        if self._order_of is None or self._order_of[0] != epoch:
            rng = np.random.default_rng(np.random.SeedSequence((self.seed, epoch)))
            pieces, bounds = rng.permutation(len(self._rows.starts)), np.empty(0, np.int64)
            lengths = self._rows.lengths[pieces]
            if self.packing == "bestfit":
                fit = import_module("nanochat.data.bestfit")  # beside the core, so by name
                order, lengths, bounds = fit.fit_rows(lengths, self._block_size)
                pieces = pieces[order]
            elif self.packing != "none":
                bounds = fill_rows(lengths, self._block_size)
            self._order_of = (epoch, _Order(pieces, lengths, bounds))
        return self._order_of[1]


def evaluation_batches(
    stream: TokenArray, *, kind: Kind, block_size: int, batch_size: int, max_tokens: int = 0
) -> Iterator[Batch]:
    """Batches that ask for every token that counts exactly once, in order, or for an evenly spaced part of them.

    windows     the text cut into contiguous pieces of block_size predictions; each begins without context.
    documents   the same rows as in training without packing: a loss does not depend on neighbours.
    max_tokens  0 = all. Otherwise rows are taken at equal distances until they hold at most that many predictions
                (one row at least).

    Raises as `Batches` does.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size={batch_size} is no batch: choose 1 or more")
    if max_tokens < 0:
        raise ConfigError(f"max_tokens={max_tokens} is negative: choose 0 to evaluate on everything")
    rows = _cut(stream, kind, block_size)
    chosen = _evenly_spaced(rows.n_counted, max_tokens)
    return (
        _read_rows(stream, rows.starts[part], rows.lengths[part])
        for part in (chosen[i : i + batch_size] for i in range(0, len(chosen), batch_size))
    )


class _Rows(NamedTuple):
    """Where each row begins in the ids, how many predictions it makes and how many count, the most that any makes."""

    starts: np.ndarray
    lengths: np.ndarray
    n_counted: np.ndarray
    width: int


class _Order(NamedTuple):
    """An epoch: numbers of the rows of `_Rows` as they are taken, how much of each, and, packed, where a row begins."""

    pieces: np.ndarray
    lengths: np.ndarray
    bounds: np.ndarray


def _cut(stream: TokenArray, kind: Kind, block_size: int) -> _Rows:
    """Rows of at most block_size predictions that together predict every token once: of the text, or by document."""
    if kind not in ("windows", "documents"):
        raise ConfigError(f"kind={kind!r} is no way to cut batches: choose windows or documents")
    if block_size < 1:
        raise ConfigError(f"block_size={block_size} leaves nothing to predict from: choose 1 or more")
    if kind == "documents" and not len(stream.marks):
        raise ConfigError("kind='documents' needs a corpus of documents, and this one is a single text: use windows")
    if len(stream.ids) < 2:
        raise DataError(
            f"{len(stream.ids)} tokens form no pair of a token and its successor: use a text of 2 tokens or more"
        )
    bounds = stream.marks if kind == "documents" else np.array([0, len(stream.ids) - 1])
    predictions = np.diff(bounds)  # (D,) of each document: its tokens and the BOS after it
    n_pieces = -(-predictions // block_size)
    first_piece = np.cumsum(n_pieces) - n_pieces
    offsets = (np.arange(n_pieces.sum()) - np.repeat(first_piece, n_pieces)) * block_size
    lengths = np.minimum(np.repeat(predictions, n_pieces) - offsets, block_size)
    starts, width = np.repeat(bounds[:-1], n_pieces) + offsets, int(lengths.max())
    if stream.counted is None:
        return _Rows(starts, lengths, lengths, width)
    n_counted = _n_counted(stream.counted, starts, lengths)
    asks = n_counted > 0
    if not asks.any():
        raise DataError(
            "no token of this text counts as a target: give conversations with answers, or loss_on='all'",
            settings=(("loss_on", "all"),),
        )
    return _Rows(starts[asks], lengths[asks], n_counted[asks], width)


def _n_counted(counted: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Targets that count among the `lengths` that follow the `starts`.  (N,), (R,), (R,) -> (R,)"""
    before = np.concatenate(([0], np.cumsum(counted, dtype=np.int64)))  # (N + 1,)
    return before[starts + lengths + 1] - before[starts + 1]


def _window_starts(stream: TokenArray, width: int) -> np.ndarray | None:
    """Where a window of `width` predictions has one that counts; None: everywhere."""
    if stream.counted is None:
        return None
    starts = np.arange(len(stream.ids) - width)
    return starts[_n_counted(stream.counted, starts, np.full(len(starts), width)) > 0]


def _evenly_spaced(lengths: np.ndarray, max_tokens: int) -> np.ndarray:
    """Numbers of the rows to evaluate on, ascending."""
    n_rows, total = len(lengths), int(lengths.sum())
    if max_tokens == 0 or total <= max_tokens:
        return np.arange(n_rows)
    n_chosen = max(1, n_rows * max_tokens // total)
    chosen = np.arange(n_chosen) * n_rows // n_chosen
    n_kept = int(np.count_nonzero(np.cumsum(lengths[chosen]) <= max_tokens))
    return chosen[: max(1, n_kept)]


def _read_rows(stream: TokenArray, starts: np.ndarray, lengths: np.ndarray) -> Batch:
    """Rows of `lengths` predictions from `starts`, padded to the longest.  (B,), (B,) -> (B, T)"""
    columns = np.arange(lengths.max())  # (T,)
    return _read(stream, np.where(columns < lengths[:, None], starts[:, None] + columns, -1))


def _read(stream: TokenArray, at: np.ndarray, segments: np.ndarray | None = None) -> Batch:
    """The tokens at the places `at`, -1 for padding, and those after them.  (B, T) -> (B, T)"""
    real = at >= 0  # (B, T)
    inputs = np.where(real, stream.ids[at], _PAD_ID).astype(np.int64)  # (B, T)
    if stream.counted is not None:
        real &= stream.counted[at + 1]
    targets = np.where(real, stream.ids[at + 1].astype(np.int64), IGNORED)  # (B, T)
    return Batch(inputs, targets, segments)
