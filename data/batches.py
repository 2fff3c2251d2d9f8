"""Tokens cut into batches: random windows or whole documents to train on, everything once to evaluate on.

A batch is a pure function of (seed, position), position = the number of the micro-batch since the start of training:
nothing is carried from one to the next, so a run resumes anywhere. Knows ids only, no text and no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ..errors import ConfigError, DataError

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


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class TokenStream:
    """All tokens of one side of a split in one array: a bare text, or  BOS doc BOS doc ... BOS."""

    ids: np.ndarray
    """(N,) any integer type; batches are int64."""
    marks: np.ndarray
    """(D + 1,) positions of the BOS around the D documents; (0,) for a bare text, which has none."""

    @classmethod
    def from_text(cls, ids: np.ndarray) -> TokenStream:
        """One text as it is, without BOS.  ids (N,)"""
        return cls(ids, np.empty(0, dtype=np.int64))

    @classmethod
    def from_documents(
        cls, documents: Iterable[np.ndarray], *, bos_id: int = 0, dtype: type[np.generic] = np.int32
    ) -> TokenStream:
        """Documents (n_i,) with a BOS before, between and after them.

        They are taken one at a time, so that millions of lines never stand in memory as arrays of their own.
        """
        bos = np.array([bos_id], dtype=dtype).tobytes()
        buffer = bytearray(bos)
        lengths = []
        for ids in documents:
            buffer += ids.astype(dtype, copy=False).tobytes() + bos
            lengths.append(len(ids) + 1)
        marks = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
        return cls(np.frombuffer(buffer, dtype=dtype), marks)

    @property
    def n_tokens(self) -> int:
        """Tokens of text, BOS not counted."""
        return len(self.ids) - len(self.marks)


class Batches:
    """Training batches: `batches.batch(position)` for position = 0, 1, 2, ...

    windows     B starts drawn uniformly; each row is min(block_size, N - 1) tokens and the token after each.
    documents   B rows of a permutation drawn anew each epoch. A row is BOS + document + BOS. What is longer than
                block_size predictions goes on in further rows, so every token is learned; shorter rows are padded
                to the longest of the batch: inputs 0, targets -1.
    """

    def __init__(self, stream: TokenStream, *, kind: Kind, block_size: int, batch_size: int, seed: int) -> None:
        """Raises ConfigError on sizes below 1, a negative seed or a kind that the stream has not; DataError if it
        holds no pair of tokens."""
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size} is no batch: choose 1 or more")
        if seed < 0:
            raise ConfigError(f"seed={seed} is negative: choose 0 or more")
        self.kind = kind
        self.batch_size = batch_size
        self.seed = seed
        self._ids = stream.ids
        self._rows = _cut(stream, kind, block_size)
        self._order_of: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))

    def batch(self, position: int) -> Batch:
        """The micro-batch number `position`: the same whatever was asked before.  -> (B, T)"""
        if position < 0:
            raise ConfigError(f"position={position} lies before the first batch: count from 0")
        return self._windows(position) if self.kind == "windows" else self._documents(position)

    def epoch(self, position: int) -> float:
        """Passes over the data that the batches before `position` amount to."""
        rows_drawn = position * self.batch_size
        if self.kind == "documents":
            return rows_drawn / len(self._rows.starts)
        return rows_drawn * self._rows.width / (len(self._ids) - 1)

    def _windows(self, position: int) -> Batch:
        rng = np.random.default_rng(np.random.SeedSequence((self.seed, position)))
        width = self._rows.width
        starts = rng.integers(0, len(self._ids) - width, size=self.batch_size)  # the last start is N - 1 - width
        return _read_rows(self._ids, starts, np.full(self.batch_size, width))

    def _documents(self, position: int) -> Batch:
        n_rows = len(self._rows.starts)
        drawn = range(position * self.batch_size, (position + 1) * self.batch_size)
        rows = np.array([self._order(i // n_rows)[i % n_rows] for i in drawn])
        return _read_rows(self._ids, self._rows.starts[rows], self._rows.lengths[rows])

    def _order(self, epoch: int) -> np.ndarray:
        """The permutation of the rows in `epoch`; the latest one is kept, since it costs more than a batch."""
        if self._order_of[0] != epoch:
            rng = np.random.default_rng(np.random.SeedSequence((self.seed, epoch)))
            self._order_of = (epoch, rng.permutation(len(self._rows.starts)))
        return self._order_of[1]


def evaluation_batches(
    stream: TokenStream, *, kind: Kind, block_size: int, batch_size: int, max_tokens: int = 0
) -> Iterator[Batch]:
    """Batches that ask for every token exactly once, in order, or for an evenly spaced part of them.

    windows     the text cut into contiguous pieces of block_size predictions; each begins without context.
    documents   the same rows as in training.
    max_tokens  0 = all. Otherwise rows are taken at equal distances until they hold at most that many predictions
                (one row at least).

    Raises as `Batches` does.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size={batch_size} is no batch: choose 1 or more")
    if max_tokens < 0:
        raise ConfigError(f"max_tokens={max_tokens} is negative: choose 0 to evaluate on everything")
    rows = _cut(stream, kind, block_size)
    chosen = _evenly_spaced(rows.lengths, max_tokens)
    return (
        _read_rows(stream.ids, rows.starts[part], rows.lengths[part])
        for part in (chosen[i : i + batch_size] for i in range(0, len(chosen), batch_size))
    )


class _Rows(NamedTuple):
    """Where each row begins in the ids, how many predictions it makes, and the most that any makes."""

    starts: np.ndarray
    lengths: np.ndarray
    width: int


def _cut(stream: TokenStream, kind: Kind, block_size: int) -> _Rows:
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
    return _Rows(np.repeat(bounds[:-1], n_pieces) + offsets, lengths, int(lengths.max()))


def _evenly_spaced(lengths: np.ndarray, max_tokens: int) -> np.ndarray:
    """Numbers of the rows to evaluate on, ascending."""
    n_rows, total = len(lengths), int(lengths.sum())
    if max_tokens == 0 or total <= max_tokens:
        return np.arange(n_rows)
    n_chosen = max(1, n_rows * max_tokens // total)
    chosen = np.arange(n_chosen) * n_rows // n_chosen
    n_kept = int(np.count_nonzero(np.cumsum(lengths[chosen]) <= max_tokens))
    return chosen[: max(1, n_kept)]


def _read_rows(ids: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> Batch:
    """Rows of `lengths` predictions from `starts`, padded to the longest.  (B,), (B,) -> (B, T)"""
    columns = np.arange(lengths.max())  # (T,)
    real = columns < lengths[:, None]  # (B, T)
    at = np.where(real, starts[:, None] + columns, 0)  # (B, T)
    inputs = np.where(real, ids[at], _PAD_ID).astype(np.int64)  # (B, T)
    targets = np.where(real, ids[at + 1].astype(np.int64), IGNORED)  # (B, T)
    return Batch(inputs, targets)
