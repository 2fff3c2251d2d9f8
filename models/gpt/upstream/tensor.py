"""What nanochat adds to the transformer, in arrays. Read beside scalar.py, after models/gpt/tensor.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....engine.module import Module
from ....engine.tensor import Tensor, nn
from ....engine.tensor import functional as F
from ...initial import draw_weights
from .. import tensor
from ..cache import KVCache
from .cache import UpstreamCache
from .config import UpstreamConfig


class GPT(tensor.GPT):
    """ids -> embedding, smeared -> blocks that mix -> backout -> logits"""

    config: UpstreamConfig

    def __init__(
        self,
        config: UpstreamConfig,
        seed: int | None = 0,
        *,
        dtype: Any = np.float32,
        dropout_rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__(config, None, dtype=dtype, dropout_rng=dropout_rng)
        self.h: list[Any] = [Block(config, dtype, layer) for layer in range(config.n_layer)]
        self.smear = Smear(config, dtype) if config.smear else None
        self.backout = nn.parameter(1, dtype=dtype) if config.backout else None
        if seed is not None:
            self.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(seed)))

    def empty_cache(self, batch_size: int = 1) -> UpstreamCache:
        """Room for block_size tokens of each row, nothing seen yet."""
        return UpstreamCache(self.config, batch_size, self.dtype)

    def _blocks(self, ids: np.ndarray, segments: np.ndarray | None, cache: KVCache | None) -> Tensor:
        """All tokens through all blocks: the last residual stream.       (B, T) -> (B, T, C)"""
        positions = self.positions(ids.shape[1], cache)
        x = self.embed(ids, positions)
        if self.smear is not None:
            x = self._smeared(x, positions, segments, cache)
        x0, middle = x, x
        for layer, block in enumerate(self.h):
            memory = None if cache is None else (cache, layer)
            x = block(x, positions, segments, self.dropout, memory, ids=ids, x0=x0)
            middle = x if layer == len(self.h) // 2 else middle
        if isinstance(cache, UpstreamCache):
            cache.note(ids)
            cache.advance(ids.shape[1])
        return x if self.backout is None else x - middle * self.backout

    def _smeared(self, x: Tensor, positions: np.ndarray, segments: np.ndarray | None, cache: KVCache | None) -> Tensor:
        """x with its smear: the first of a text or segment has nothing before it       (B, T, C)"""
        assert self.smear is not None, "it is asked for"
        first = x[:, :1]
        if isinstance(cache, UpstreamCache):
            places = np.maximum(cache.lengths - 1, 0)[:, None]  # (B, 1)
            first = self.embed(cache.ids[np.arange(len(places))[:, None], places], places)
        follows = np.broadcast_to(positions > 0, x.shape[:2])
        if segments is not None:
            left = np.concatenate([segments[:, :1], segments[:, :-1]], axis=1)
            follows = follows & (segments == left)  # a new array: segments may be recorded
        before = F.concat(first, x[:, :-1], axis=1) if x.shape[1] > 1 else first
        return self.smear(x, before, follows[..., None].astype(self.dtype))


class Block(tensor.Block):
    """f of a GPT's block, of a x + b x0; attention adds value(token) gate(what it reads) to its values"""

    def __init__(self, config: UpstreamConfig, dtype: Any, layer: int) -> None:
        super().__init__(config, dtype, layer)
        self.config, embeds = config, config.embeds_values(layer)
        self.mix_x = nn.parameter(1, dtype=dtype) if config.residual_mix else None
        self.mix_x0 = nn.parameter(1, dtype=dtype) if config.residual_mix else None
        self.value_embed = nn.Embedding(config.vocab_size, config.kv_width, dtype=dtype) if embeds else None
        self.value_gate = nn.Linear(config.value_gate_channels, config.kv_heads, dtype=dtype) if embeds else None

    def __call__(  # type: ignore[override]  # it reads more than the stream
        self,
        x: Tensor,
        positions: np.ndarray,
        segments: np.ndarray | None,
        drop: nn.Dropout,
        memory: tuple[KVCache, int] | None,
        *,
        ids: np.ndarray,
        x0: Tensor,
    ) -> Tensor:
        if self.mix_x is not None and self.mix_x0 is not None:
            x = x * self.mix_x + x0 * self.mix_x0
        read = self.norm_1(x) if self.pre else x
        x = x + drop(self.attn(read, positions, segments, memory, self._values(read, ids)))
        if self.pre:
            return x + drop(self.mlp(self.norm_2(x)))
        x = self.norm_1(x)
        return self.norm_2(x + drop(self.mlp(x)))

    def _values(self, x: Tensor, ids: np.ndarray) -> Tensor | None:
        """What is added to the values of the tokens       (B, T, C), (B, T) -> (B, T, Hkv D)"""
        if self.value_embed is None or self.value_gate is None:
            return None
        (B, T, _), G, config = x.shape, self.config.kv_heads, self.config
        gate = sigmoid(self.value_gate(x[..., : config.value_gate_channels])) * config.value_gate_range
        values = self.value_embed(ids).reshape(B, T, G, config.head_size) * gate.reshape(B, T, G, 1)
        return values.reshape(B, T, config.kv_width)


class Smear(Module):
    """x + share sigmoid(gate(x)) before, where follows = 1"""

    def __init__(self, config: UpstreamConfig, dtype: Any) -> None:
        self.gate = nn.Linear(config.smear_channels, 1, dtype=dtype)
        self.share = nn.parameter(1, dtype=dtype)

    def __call__(self, x: Tensor, before: Tensor, follows: np.ndarray) -> Tensor:
        """x, before (B, T, C), follows (B, T, 1) -> (B, T, C)"""
        weight = sigmoid(self.gate(x[..., : self.gate.weight.shape[1]])) * self.share * follows
        return x + before * weight


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), as (1 + tanh(x / 2)) / 2, which cannot overflow"""
    return (F.tanh(x * 0.5) + 1.0) * 0.5
