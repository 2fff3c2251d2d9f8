"""The bigram of counts as a language model: nothing is trained, pairs of the training text are counted."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..data.dataset import Dataset
from ..data.split import FUTURISTIC_WORDS
from ..models.bigram.config import BigramConfig
from ..models.bigram.counts import BigramCounts
from .language_model import LanguageModel

_BOOST = 400
"""Extra counts of each pair in the futuristic words, as in nanochat-rs-next."""


def count_pairs(dataset: Dataset) -> BigramCounts:
    """The counts of the training text."""
    return BigramCounts(pairs_of(dataset.train.ids), dataset.tokenizer.vocab_size)


def pairs_of(ids: np.ndarray) -> np.ndarray:
    """Each token with its successor.       (N,) -> (N - 1, 2)"""
    return np.stack([ids[:-1], ids[1:]], axis=1).astype(np.int64)


def counts_language_model(dataset: Dataset, *, boost_futuristic: bool) -> LanguageModel:
    """Samples from counts^(1/temperature). The boost favours the futuristic words in samples, never in a loss."""
    counts, tokenizer = count_pairs(dataset), dataset.tokenizer
    if boost_futuristic:
        for word in FUTURISTIC_WORDS:
            ids = [tokenizer.bos_id, *tokenizer.encode(word)]
            counts.add(np.array(list(pairwise(ids))), _BOOST)
    return LanguageModel(
        model=counts,  # type: ignore[arg-type]  # it gives logits, and nobody trains or saves it
        tokenizer=tokenizer,
        config=BigramConfig(vocab_size=tokenizer.vocab_size),
        model_kind="bigram",
        mode="scalar",
        stops_at_bos=dataset.kind == "documents",
    )
