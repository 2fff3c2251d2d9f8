"""How well a model predicts text that it has not trained on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.batches import Batch
from ..models.base import Model, logits_array


@dataclass(frozen=True)
class Evaluation:
    """Token-weighted figures over one pass."""

    loss: float
    """Nats a token."""
    bits_per_byte: float
    """Bits a byte of the tokens' text; those without text (BOS, <UNK>) are left out of both sums, and so are the spaces
    between words. `nanochat eval` counts the bytes of the text as it is written, and what <UNK> costs."""
    n_tokens: int

    @property
    def perplexity(self) -> float:
        """exp(loss), of the mean over all tokens."""
        return math.exp(self.loss) if self.loss < 700 else math.inf


def evaluate(
    model: Model, batches: Iterable[Batch], token_bytes: np.ndarray, over: Callable[..., Iterable[Any]] = map
) -> Evaluation:
    """Measure `model` on `batches`; token_bytes (V,) is the UTF-8 length of each token, 0 for specials.

    over    As `map`: what computes the batches, which may be several processes.
    """
    targets: list[np.ndarray] = []

    def counting(batch: Batch) -> Batch:
        targets.append(batch.targets[batch.targets >= 0])
        return batch

    def nats(batch: Batch) -> np.ndarray:
        return token_losses(logits_array(model, batch.inputs), batch.targets)[batch.targets >= 0]

    all_nats = np.concatenate(list(over(nats, map(counting, batches))))
    n_bytes = token_bytes[np.concatenate(targets)]
    total_bytes = int(n_bytes.sum())
    bits = float(all_nats[n_bytes > 0].sum()) / math.log(2)
    return Evaluation(
        loss=float(all_nats.mean()),
        bits_per_byte=bits / total_bytes if total_bytes else math.nan,
        n_tokens=len(all_nats),
    )


def token_losses(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """-log softmax(logits)[target] in nats, each token for itself.       logits (..., V), targets (...) -> (...)"""
    z = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):  # logits of a model that diverged: the loss is nan, and the caller says so
        z -= z.max(-1, keepdims=True)
        picked = np.take_along_axis(z, targets[..., None].clip(min=0), axis=-1)[..., 0]
        return np.asarray(np.log(np.exp(z, z).sum(-1)) - picked)
