"""Ids as the page shows them: what each reads in its place, what it reads alone, and how likely it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...inference.alternatives import token_name
from ...inference.detokenizer import Detokenizer, detokenizer
from ...inference.samplers import largest, log_softmax
from ...tokenizers.base import Tokenizer
from ..shapes import Json


def told(tokenizer: Tokenizer, ids: Sequence[int]) -> tuple[list[Json], Detokenizer]:
    """The tokens, whose texts join to the whole text, and the detokenizer that has read them."""
    words = detokenizer(tokenizer)
    tokens = [{"id": id_, "text": words.push(id_), "name": token_name(tokenizer, id_)} for id_ in ids]
    return tokens, words


def guesses(tokenizer: Tokenizer, logits: np.ndarray, n: int, banned: Sequence[int]) -> list[Json]:
    """The `n` likeliest, each by itself.       logits (V,)"""
    p = np.exp(log_softmax(logits, banned=banned))
    names: list[Any] = [(int(id_), token_name(tokenizer, int(id_))) for id_ in largest(p, n)]
    return [{"id": id_, "text": name, "name": name, "p": round(float(p[id_]), 5)} for id_, name in names]


def bits(p: np.ndarray) -> float:
    """Entropy in bits: 2 to its power is the number of equally likely tokens that would be as unsure.       p (V,)"""
    some = p[p > 0]
    return float(-(some * np.log2(some)).sum()) + 0.0
