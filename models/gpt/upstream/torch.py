"""What nanochat adds to a GPT, on the PyTorch mirror of ours (models/gpt/torch.py): whole sequences, no cache."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..config import GPTConfig
from ..torch import MLP, Attention, KVCache, TorchGPT, make_norm
from .config import UpstreamConfig


class UpstreamTorchGPT(TorchGPT):
    """ids -> embedding, smeared -> blocks that mix -> backout -> logits"""

    takes: tuple[type[GPTConfig], ...] = (UpstreamConfig,)

    def __init__(self, config: UpstreamConfig) -> None:
        super().__init__(config)
        self.h = nn.ModuleList([Block(config, layer) for layer in range(config.n_layer)])
        self.smear = Smear(config) if config.smear else None
        self.backout = nn.Parameter(torch.zeros(1)) if config.backout else None

    def blocks(
        self, x: Tensor, ids: Tensor, turns: Tensor | None, cache: KVCache | None, same: Tensor | None
    ) -> Tensor:
        """The stream after the last block       (B, T, C) -> (B, T, C). Raises ValueError for a cache."""
        if cache is not None:
            raise ValueError("the mirror of nanochat's model reads whole sequences: leave the cache out")
        if self.smear is not None:
            x = self.smear(x, same)
        x0, middle = x, x
        for layer, block in enumerate(self.h):
            x = block(x, x0, ids, turns, same)
            if layer == len(self.h) // 2:
                middle = x
        return x if self.backout is None else x - self.backout * middle


class Block(nn.Module):
    """f of a GPT's block, of a x + b x0; attention adds value(token) gate(what it reads) to its values"""

    def __init__(self, config: UpstreamConfig, layer: int) -> None:
        super().__init__()
        self.config, self.pre, embeds = config, config.norm_position == "pre", config.embeds_values(layer)
        self.norm_1, self.attn = make_norm(config), Attention(config, layer)
        self.norm_2, self.mlp = make_norm(config), MLP(config)
        self.mix_x = nn.Parameter(torch.ones(1)) if config.residual_mix else None
        self.mix_x0 = nn.Parameter(torch.zeros(1)) if config.residual_mix else None
        self.value_embed = nn.Embedding(config.vocab_size, config.kv_width) if embeds else None
        self.value_gate = nn.Linear(config.value_gate_channels, config.kv_heads, bias=False) if embeds else None

    def forward(self, x: Tensor, x0: Tensor, ids: Tensor, turns: Tensor | None, same: Tensor | None = None) -> Tensor:
        if self.mix_x is not None and self.mix_x0 is not None:
            x = self.mix_x * x + self.mix_x0 * x0
        read = self.norm_1(x) if self.pre else x
        x = x + self.attn(read, turns, None, same, self._values(read, ids))
        if self.pre:
            return x + self.mlp(self.norm_2(x))
        x = self.norm_1(x)
        return self.norm_2(x + self.mlp(x))

    def _values(self, x: Tensor, ids: Tensor) -> Tensor | None:
        """What is added to the values of the tokens       -> (B, T, Hkv D)"""
        if self.value_embed is None or self.value_gate is None:
            return None
        gate = torch.sigmoid(self.value_gate(x[..., : self.config.value_gate_channels])) * self.config.value_gate_range
        return self.value_embed(ids) * gate.repeat_interleave(self.config.head_size, dim=-1)


class Smear(nn.Module):
    """x_t + share sigmoid(gate(x_t)) x_(t-1)"""

    def __init__(self, config: UpstreamConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.smear_channels, 1, bias=False)
        self.share = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, same: Tensor | None) -> Tensor:
        """same (B, 1, T, T): the first of a segment has nothing before it."""
        weight = torch.sigmoid(self.gate(x[:, 1:, : self.gate.in_features])) * self.share
        if same is not None:
            weight = weight * same[:, 0].diagonal(-1, 1, 2)[..., None]
        return torch.cat([x[:, :1], x[:, 1:] + weight * x[:, :-1]], dim=1)
