"""The bigram model in arrays. Read beside scalar.py: the same sections, the same names."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.module import Module
from ...engine.tensor import Tensor, array_of, nn, no_grad
from ...engine.tensor import functional as F
from ..initial import draw_weights
from .config import BigramConfig


class Bigram(Module):
    """logits_t = W norm(E[id_t])"""

    takes_arrays = True

    def __init__(self, config: BigramConfig, seed: int | None = 0, *, dtype: Any = np.float32) -> None:
        self.config, V = config, config.vocab_size
        self.wte = nn.Embedding(V, V, dtype=dtype)
        self.lm_head = None if config.tie_lm_head else nn.Linear(V, V, dtype=dtype)
        if seed is not None:  # otherwise weights are loaded
            self.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(seed)))

    def loss(self, inputs: np.ndarray, targets: np.ndarray, segments: np.ndarray | None = None) -> Tensor:
        """Mean cross-entropy in nats over the targets that are not -1       inputs, targets (B, T) -> ()"""
        return F.cross_entropy(self.logits(inputs), targets=array_of(targets))

    def logits(self, ids: np.ndarray, cache: None = None) -> Tensor:
        """(B, T) -> (B, T, V); a bigram needs no cache."""
        x = self.wte(array_of(ids))
        if self.config.input_rmsnorm:
            x = F.rms_norm(x, None, eps=self.config.norm_eps)
        return F.linear(x, self.wte.weight, None) if self.lm_head is None else self.lm_head(x)

    def predict(self, ids: np.ndarray, cache: None = None) -> np.ndarray:
        """`logits` as a plain array, without a graph; whoever reads it names what is not finite."""
        with no_grad(), np.errstate(all="ignore"):
            return self.logits(ids, cache).data
