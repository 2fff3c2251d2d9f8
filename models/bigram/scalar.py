"""The bigram model in single numbers. Read beside tensor.py: the same sections, the same names."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ...engine.module import Module
from ...engine.scalar import functional as F
from ...engine.scalar import nn
from ...engine.scalar.value import Value
from ..parameters import draw_lists
from .config import BigramConfig


class Bigram(Module):
    """logits_t = W norm(E[id_t])"""

    def __init__(self, config: BigramConfig, seed: int | None = 0) -> None:
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.vocab_size)
        self.lm_head = None if config.tie_lm_head else nn.Linear(config.vocab_size, config.vocab_size)
        if seed is not None:  # otherwise weights are loaded
            self.load_state_dict(draw_lists(config.parameters(), random.Random(seed)))

    def loss(
        self,
        inputs: Sequence[Sequence[int]],
        targets: Sequence[Sequence[int]],
        segments: Sequence[Sequence[int]] | None = None,
    ) -> Value:
        """Mean cross-entropy in nats over the targets that are not -1       inputs, targets (B, T) -> ()"""
        losses = [
            F.cross_entropy(logits, target)
            for row, row_targets in zip(inputs, targets, strict=True)
            for logits, target in zip(self.logits(row), row_targets, strict=True)
            if target != -1
        ]
        return F.mean(losses) if losses else Value(0.0)

    def logits(self, ids: Sequence[int], cache: None = None) -> list[list[Value]]:
        """(T,) -> (T, V); a bigram needs no cache."""
        return [self._next(i) for i in ids]

    def _next(self, index: int) -> list[Value]:
        x = self.wte(index)
        if self.config.input_rmsnorm:
            x = F.rms_norm(x, eps=self.config.norm_eps)
        return F.linear(x, self.wte.weight) if self.lm_head is None else self.lm_head(x)
