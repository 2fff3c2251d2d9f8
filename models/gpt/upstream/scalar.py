"""What nanochat adds to the transformer, in single numbers. Read beside tensor.py, after models/gpt/scalar.py."""

from __future__ import annotations

import random
from typing import Any

from ....engine.module import Module
from ....engine.scalar import functional as F
from ....engine.scalar import nn
from ....engine.scalar.nn import Vector
from ....engine.scalar.value import Value
from ...parameters import draw_lists
from .. import scalar
from .config import UpstreamConfig


class Memory(scalar.Memory):
    """What one block remembers; the first of them also the last embedding, before anything was mixed into it."""

    embedding: Vector | None = None


class GPT(scalar.GPT):
    """ids -> embedding, smeared -> blocks that mix -> backout -> logits"""

    config: UpstreamConfig

    def __init__(self, config: UpstreamConfig, seed: int | None = 0) -> None:
        super().__init__(config, None)
        self.h: list[Any] = [Block(config, layer) for layer in range(config.n_layer)]
        self.smear = Smear(config) if config.smear else None
        self.backout = nn.vector(1) if config.backout else None
        if seed is not None:
            self.load_state_dict(draw_lists(config.parameters(), random.Random(seed)))

    def empty_cache(self) -> list[scalar.Memory]:
        """One memory a block, nothing seen yet."""
        return [Memory() for _ in self.h]

    def _blocks(self, index: int, position: int, segment: int, memories: list[Any]) -> Vector:
        """One token through all blocks: the last residual stream.       () -> (C,)"""
        x, first = self._embed(index, position), memories[0]
        before, first.embedding = first.embedding, x
        if self.smear is not None and before is not None and first.segments[-1] == segment:
            x = self.smear(x, before)
        x0, middle = x, x
        for layer, (block, memory) in enumerate(zip(self.h, memories, strict=True)):
            x = block(x, position, segment, memory, index=index, x0=x0)
            middle = x if layer == len(self.h) // 2 else middle
        if self.backout is None:
            return x
        return [a - self.backout[0] * b for a, b in zip(x, middle, strict=True)]


class Block(scalar.Block):
    """f of a GPT's block, of a x + b x0; attention adds value(token) gate(what it reads) to its values"""

    def __init__(self, config: UpstreamConfig, layer: int) -> None:
        super().__init__(config, layer)
        self.config, embeds = config, config.embeds_values(layer)
        self.mix_x = nn.vector(1) if config.residual_mix else None
        self.mix_x0 = nn.vector(1) if config.residual_mix else None
        self.value_embed = nn.Embedding(config.vocab_size, config.kv_width) if embeds else None
        self.value_gate = nn.Linear(config.value_gate_channels, config.kv_heads) if embeds else None

    def __call__(  # type: ignore[override]  # it reads more than the stream
        self, x: Vector, position: int, segment: int, memory: scalar.Memory, *, index: int, x0: Vector
    ) -> Vector:
        if self.mix_x is not None and self.mix_x0 is not None:
            x = F.add(F.scale(x, self.mix_x[0]), F.scale(x0, self.mix_x0[0]))
        read = self.norm_1(x) if self.pre else x
        x = F.add(x, self._attention(read, position, segment, memory, index))
        if self.pre:
            return F.add(x, self.mlp(self.norm_2(x)))
        x = self.norm_1(x)
        return self.norm_2(F.add(x, self.mlp(x)))

    def _attention(self, x: Vector, position: int, segment: int, memory: scalar.Memory, index: int) -> Vector:
        if self.value_embed is None or self.value_gate is None:
            return self.attn(x, position, segment, memory)
        config, value = self.config, self.value_embed(index)
        gates = [z.sigmoid() * config.value_gate_range for z in self.value_gate(x[: config.value_gate_channels])]
        added = [v * gates[i // config.head_size] for i, v in enumerate(value)]
        return self.attn(x, position, segment, memory, added)


class Smear(Module):
    """x + share sigmoid(gate(x)) before"""

    def __init__(self, config: UpstreamConfig) -> None:
        self.gate = nn.Linear(config.smear_channels, 1)
        self.share = nn.vector(1)

    def __call__(self, x: Vector, before: Vector) -> Vector:
        weight: Value = self.gate(x[: len(self.gate.weight[0])])[0].sigmoid() * self.share[0]
        return F.add(x, F.scale(before, weight))
