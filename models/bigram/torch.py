"""The bigram model in PyTorch. Read beside tensor.py: the same sections, the same names."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ...engine.torch.functional import cross_entropy, full
from .config import BigramConfig


class TorchBigram(nn.Module):
    """logits_t = W norm(E[id_t])"""

    def __init__(self, config: BigramConfig) -> None:
        super().__init__()
        self.config, V = config, config.vocab_size
        self.wte = nn.Embedding(V, V)
        if not config.tie_lm_head:
            self.lm_head = nn.Linear(V, V, bias=False)

    def forward(self, ids: Tensor, targets: Tensor | None = None, segments: Tensor | None = None) -> Tensor:
        """Logits (B, T, V), or with targets (B, T) their mean cross-entropy in nats; -1 is ignored."""
        x = self.wte(ids)
        if self.config.input_rmsnorm:
            x = F.rms_norm(x, x.shape[-1:], eps=self.config.norm_eps)
        logits = F.linear(x, self.wte.weight) if self.config.tie_lm_head else self.lm_head(x)
        return full(logits) if targets is None else cross_entropy(logits, targets=targets)
