"""Laws of data: a target is the next token, padding is not counted, what measures was not learned."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ...data.batches import IGNORED, Batch, Batches
from ...data.tokens import TokenArray
from ...tokenizers.base import Tokenizer

_WINDOW = 48
"""Tokens of a text that stand twice by copying, hardly by chance."""


def shift_share(batches: Batches, n: int = 4) -> float:
    """Share of targets, of n batches, that are not the input one place on."""
    wrong = total = 0
    for position in range(n):
        inputs, targets, segments = batches.batch(position)
        counts = (targets[:, :-1] != IGNORED) & (targets[:, 1:] != IGNORED)  # the next input is no padding
        if segments is not None:
            counts &= segments[:, 1:] == segments[:, :-1]
        wrong += int((targets[:, :-1] != inputs[:, 1:])[counts].sum())
        total += int(counts.sum())
    return wrong / max(1, total)


def padding_share(batches: Batches, bos_id: int, n: int = 4) -> float:
    """Share of targets that count, of n batches of documents, behind the BOS that closes their row."""
    wrong = total = 0
    for position in range(n):
        _, targets, _ = batches.batch(position)
        counted = targets != IGNORED
        closed = np.cumsum(targets == bos_id, axis=1) - (targets == bos_id) > 0  # a BOS stands before
        wrong, total = wrong + int((counted & closed).sum()), total + int(counted.sum())
    return wrong / max(1, total)


def repeat_share(batches: Batches, n: int = 4) -> float:
    """Share of n batches that are not what was asked before, or equal the batch before them."""
    seen = [batches.batch(position) for position in range(n + 1)]
    again = [batches.batch(position) for position in range(n + 1)]
    wrong = [not _same(a, b) for a, b in zip(seen, again, strict=True)]
    stuck = [_same(a, b) for a, b in pairwise(seen)]
    return float(np.mean([w or s for w, s in zip(wrong[1:], stuck, strict=True)]))


def overlap_share(train: TokenArray, val: TokenArray) -> float:
    """Share of validation documents, or of windows of 48 tokens of a running text, that stand in the training text."""
    if len(val.marks):
        learned = set(_documents(train))
        found = [document in learned for document in _documents(val)]
    else:
        learned = {train.ids[i : i + _WINDOW].tobytes() for i in range(len(train.ids) - _WINDOW + 1)}
        found = [
            val.ids[i : i + _WINDOW].tobytes() in learned for i in range(0, len(val.ids) - _WINDOW + 1, _WINDOW // 2)
        ]
    return float(np.mean(found)) if found else 0.0


def round_trip_share(tokenizer: Tokenizer, stream: TokenArray, n: int = 64) -> float:
    """Share of n pieces of a text that are lost on the way from ids to text and back

    Ids of a whole document come back; those of a window may be cut in the middle of a word, so of it the text does.
    """
    lost = []
    for a, b in _pieces(stream, n):
        ids = stream.ids[a:b].tolist()
        text = tokenizer.decode(ids)
        again = tokenizer.encode(text)
        lost.append(again != ids if len(stream.marks) else tokenizer.decode(again) != text)
    return float(np.mean(lost)) if lost else 0.0


def _same(a: Batch, b: Batch) -> bool:
    return a.inputs.shape == b.inputs.shape and bool((a.inputs == b.inputs).all() and (a.targets == b.targets).all())


def _documents(stream: TokenArray) -> list[bytes]:
    return [stream.ids[a + 1 : b].tobytes() for a, b in zip(stream.marks[:-1], stream.marks[1:], strict=True)]


def _pieces(stream: TokenArray, n: int) -> list[tuple[int, int]]:
    if len(stream.marks):
        return [(int(a) + 1, int(b)) for a, b in zip(stream.marks[:n], stream.marks[1:], strict=False)]
    return [(i, i + _WINDOW) for i in range(0, min(n * _WINDOW, len(stream.ids)), _WINDOW)]
