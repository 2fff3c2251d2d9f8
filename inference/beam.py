"""Beam search: the likeliest texts rather than one that is drawn. Knows no tokenizer.

Each step continues every text of the beam by every token and keeps the best; a text that has ended keeps its place in
the result, so the beam narrows until all have ended. Sutskever et al. 2014, arXiv:1409.3215, section 3.2; dividing by a
power of the length: Wu et al. 2016, arXiv:1609.08144, section 7.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UsageError
from ..models.base import Predictor
from .generate import IsOver, read_logits
from .samplers import check_whole, largest, log_softmax

WIDEST = 1000
"""Each text of a beam has keys and values of its own."""


@dataclass(frozen=True)
class Hypothesis:
    """A continuation and how likely the model finds it."""

    ids: tuple[int, ...]
    """New ids, without the one that ended it."""
    log_prob: float
    """ln p of all n predictions, that of the end included."""
    score: float
    """log_prob / n^length_penalty, 0 for n = 0."""


def check_beam(width: int, length_penalty: float) -> None:
    """Raises UsageError unless the width is a whole number from 1 to WIDEST and the penalty a number from 0 to 10."""
    if width == 0:
        raise UsageError("a beam of width 0 holds nothing: give 1 (greedy) or more, e.g. 5")
    check_whole("width", width, least=1)
    if width > WIDEST:
        raise UsageError(f"a beam of width {width:,} would fill the memory: give {WIDEST:,} or less, e.g. 5")
    if not 0 <= length_penalty <= 10:
        raise UsageError(
            f"length_penalty={length_penalty} is not a number from 0 to 10: give e.g. 1 for the mean, or 0 for the sum"
        )


def beam_search(
    model: Predictor,
    prompt_ids: Sequence[int],
    *,
    context: int,
    max_new_tokens: int,
    width: int = 5,
    length_penalty: float = 1.0,
    stop_ids: Collection[int] = (),
    banned: tuple[int, ...] = (),
    is_over: IsOver | None = None,
) -> list[Hypothesis]:
    """At most `width` continuations, the best score first:  score = ln p(continuation) / n^length_penalty.

    n counts the tokens predicted: not the prompt, but the stop id at the end. 0 compares sums, which favours short
    texts, 1 means a token. A text ends with one of `stop_ids`, when `is_over` says so of its new ids, or after
    `max_new_tokens`. Of equals the one with the lower ids comes first; width 1 is greedy; a width of V^max_new_tokens
    finds them all.
    """
    check_beam(width, length_penalty)
    check_whole("max_new_tokens", max_new_tokens)
    if not prompt_ids:
        raise ValueError("a search starts from at least one token: give the BOS id")
    if max_new_tokens == 0:
        return [Hypothesis((), 0.0, 0.0)]
    reader, ended = _Reader(model, list(prompt_ids), context), list[Hypothesis]()
    beam: list[tuple[tuple[int, ...], float]] = [((), 0.0)]  # new ids, ln p
    for n in range(1, max_new_tokens + 1):
        log_probs = np.stack([log_softmax(row, banned=banned) for row in reader.read(beam)])  # (R, V)
        totals = np.array([total for _, total in beam])[:, None] + log_probs
        parents, growing = list[int](), list[tuple[tuple[int, ...], float]]()
        best = largest(totals.reshape(-1), width - len(ended))  # of equals the first, and rows are in the order of ids
        for place in sorted(best.tolist()):
            parent, token = divmod(place, totals.shape[1])
            total, ids = float(totals[parent, token]), (*beam[parent][0], token)
            if total == -math.inf:
                continue
            if token in stop_ids:
                ended.append(_scored(ids[:-1], total, n, length_penalty))
            elif n == max_new_tokens or (is_over and is_over(ids)):
                ended.append(_scored(ids, total, n, length_penalty))
            else:
                parents.append(parent)
                growing.append((ids, total))
        beam = growing
        if not beam:
            break
        reader.follow(parents)
    return sorted(ended, key=lambda one: (-one.score, one.ids))


def _scored(ids: tuple[int, ...], log_prob: float, n: int, length_penalty: float) -> Hypothesis:
    return Hypothesis(ids, log_prob, log_prob / n**length_penalty)


class _Reader:
    """Logits after every text of a beam, each token read once while the texts fit in the context."""

    def __init__(self, model: Predictor, prompt: list[int], context: int) -> None:
        self.model: Any = model  # whether it has caches is asked before they are used
        self.prompt, self.context = prompt, context
        self.in_arrays = getattr(model, "takes_arrays", False)
        self.caches: Any = None
        self.n_rows, self.remembers = 0, False

    def read(self, beam: Sequence[tuple[tuple[int, ...], float]]) -> np.ndarray:
        """(R, V) after prompt and new ids of each of R texts, all of one length."""
        texts = [[*self.prompt, *ids] for ids, _ in beam]
        fit = len(texts[0]) <= self.context
        if self.remembers and fit:
            texts = [text[-1:] for text in texts]
        else:
            self.remembers = fit and hasattr(self.model, "empty_cache")
            self._forget(len(texts))
            texts = [text[-self.context :] for text in texts]
        self.n_rows = len(texts)
        if self.in_arrays:
            return read_logits(self.model, texts, self.caches)[:, -1]
        return np.stack([read_logits(self.model, [t], c)[0, -1] for t, c in zip(texts, self.caches, strict=True)])

    def follow(self, parents: Sequence[int]) -> None:
        """From now on row r is a text that row parents[r] became; a row may go on in several ways or in none."""
        if not self.remembers or list(parents) == list(range(self.n_rows)):
            return
        if self.in_arrays:
            self.caches.keep(parents)
        else:
            self.caches = [_fork(self.caches[parent]) for parent in parents]

    def _forget(self, n_rows: int) -> None:
        if self.in_arrays:
            self.caches = self.model.empty_cache(n_rows) if self.remembers else None
        else:
            self.caches = [self.model.empty_cache() if self.remembers else None for _ in range(n_rows)]


def _fork(memories: Sequence[Any]) -> list[Any]:
    """What each block of a scalar model remembers, in lists of its own: what is added to one is not in the other."""
    forks = [copy(memory) for memory in memories]
    for fork in forks:
        vars(fork).update({name: list(rows) for name, rows in vars(fork).items()})
    return forks
