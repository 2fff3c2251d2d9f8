"""The transformer in single numbers, one token at a time. Read beside tensor.py: `diff -y scalar.py tensor.py`.

Each block keeps the keys and values of the tokens it has seen; a token attends to those and to itself. That is
causal attention and a KV cache at once, so training and decoding are the same function.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Sequence

from ...engine.module import Module
from ...engine.scalar import functional as F
from ...engine.scalar import nn
from ...engine.scalar.nn import Vector
from ...engine.scalar.value import Value
from ..parameters import draw_lists
from .config import GPTConfig


class Memory:
    """What one block remembers of the tokens so far: a key, a value and a segment each."""

    def __init__(self) -> None:
        self.keys: list[list[Vector]] = []  # (S, kv_heads, D)
        self.values: list[list[Vector]] = []
        self.segments: list[int] = []


class GPT(Module):
    """ids -> embedding -> blocks -> logits"""

    def __init__(self, config: GPTConfig, seed: int | None = 0) -> None:
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd) if config.positions == "learned" else None
        self.h = [Block(config, layer) for layer in range(config.n_layer)]
        self.norm_f = make_norm(config) if config.final_norm else None
        self.lm_head = (
            None if config.tie_lm_head else nn.Linear(config.n_embd, config.vocab_size, bias=config.head_bias)
        )
        if seed is not None:  # otherwise weights are loaded
            self.load_state_dict(draw_lists(config.parameters(), random.Random(seed)))

    def loss(
        self,
        inputs: Sequence[Sequence[int]],
        targets: Sequence[Sequence[int]],
        segments: Sequence[Sequence[int]] | None = None,
    ) -> Value:
        """Mean cross-entropy in nats over the targets that are not -1       inputs, targets (B, T) -> ()"""
        losses = []
        for row, (ids, row_targets) in enumerate(zip(inputs, targets, strict=True)):
            memories = self.empty_cache()
            for position, (index, target) in enumerate(zip(ids, row_targets, strict=True)):
                segment = 0 if segments is None else int(segments[row][position])
                x = self._blocks(index, position, segment, memories)
                if target != -1:
                    smoothing = self.config.label_smoothing
                    losses.append(F.cross_entropy(self._head(x), target, label_smoothing=smoothing))
        return F.mean(losses) if losses else Value(0.0)

    def logits(self, ids: Sequence[int], cache: list[Memory] | None = None) -> list[Vector]:
        """(T,) -> (T, V). With a cache the ids follow those that it has seen, and are added to it."""
        cache = self.empty_cache() if cache is None else cache
        start = len(cache[0].keys)
        if start + len(ids) > self.config.block_size:
            raise ValueError(f"{start + len(ids)} tokens do not fit in block_size={self.config.block_size}")
        return [self._head(self._blocks(index, start + t, 0, cache)) for t, index in enumerate(ids)]

    def empty_cache(self) -> list[Memory]:
        """One memory a block, nothing seen yet."""
        return [Memory() for _ in self.h]

    def _blocks(self, index: int, position: int, segment: int, memories: list[Memory]) -> Vector:
        """One token through all blocks: the last residual stream.       () -> (C,)"""
        x = self._embed(index, position)
        for block, memory in zip(self.h, memories, strict=True):
            x = block(x, position, segment, memory)
        return x

    def _embed(self, index: int, position: int) -> Vector:
        x = self.wte(index)
        if self.wpe is not None:
            x = F.add(x, self.wpe(position))
        elif self.config.positions == "sinusoidal":
            x = [v + p for v, p in zip(x, sinusoid(position, len(x)), strict=True)]
        return F.rms_norm(x, eps=eps_of(self.config)) if self.config.input_rmsnorm else x

    def _head(self, x: Vector) -> Vector:
        x = x if self.norm_f is None else self.norm_f(x)
        logits = F.linear(x, self.wte.weight) if self.lm_head is None else self.lm_head(x)
        cap = self.config.logit_softcap
        return [(z * (1 / cap)).tanh() * cap for z in logits] if cap else logits


class Block(Module):
    """pre: x + f(norm(x));  post: norm(x + f(x));  f is attention, then the MLP"""

    def __init__(self, config: GPTConfig, layer: int = 0) -> None:
        self.pre = config.norm_position == "pre"
        self.norm_1 = make_norm(config)
        self.attn = Attention(config, layer)
        self.norm_2 = make_norm(config)
        self.mlp = MLP(config)

    def __call__(self, x: Vector, position: int, segment: int, memory: Memory) -> Vector:
        if self.pre:
            x = F.add(x, self.attn(self.norm_1(x), position, segment, memory))
            return F.add(x, self.mlp(self.norm_2(x)))
        x = self.norm_1(F.add(x, self.attn(x, position, segment, memory)))
        return self.norm_2(F.add(x, self.mlp(x)))


class Attention(Module):
    """Causal self-attention; query head i uses key and value head i // (n_head / n_kv_head)"""

    def __init__(self, config: GPTConfig, layer: int = 0) -> None:
        self.config, self.window = config, config.window_of(layer)
        kv = config.kv_heads * config.head_size
        self.qkv = nn.Linear(config.n_embd, config.attn_width + 2 * kv, bias=config.attn_bias)
        self.proj = nn.Linear(config.attn_width, config.n_embd, bias=config.attn_bias) if config.attn_proj else None

    def __call__(self, x: Vector, position: int, segment: int, memory: Memory, more: Vector | None = None) -> Vector:
        """Of one token x (C,) -> (C,); `more` (kv_heads D,) is added to its values."""
        config, size, qkv = self.config, self.config.head_size, self.qkv(x)
        if more is not None:
            qkv[-len(more) :] = F.add(qkv[-len(more) :], more)
        heads = [qkv[i : i + size] for i in range(0, len(qkv), size)]  # n_head of q, kv_heads of k, then of v
        queries, keys = heads[: config.n_head], heads[config.n_head : config.n_head + config.kv_heads]
        queries, keys = [self._place(q, position) for q in queries], [self._place(k, position) for k in keys]
        memory.keys.append(keys)
        memory.values.append(heads[config.n_head + config.kv_heads :])
        memory.segments.append(segment)
        first = max(0, position + 1 - self.window) if self.window else 0
        seen = [s for s in range(first, position + 1) if memory.segments[s] == segment]
        y: Vector = []
        for i, q in enumerate(queries):
            j = i * config.kv_heads // config.n_head
            keys, values = [memory.keys[s][j] for s in seen], [memory.values[s][j] for s in seen]
            y += F.attention(q, keys, values, scale=config.attn_scale)
        return y if self.proj is None else self.proj(y)

    def _place(self, head: Vector, position: int) -> Vector:
        if self.config.positions == "rope":
            head = F.rope(head, position, base=self.config.rope_base)
        return F.rms_norm(head, eps=eps_of(self.config)) if self.config.qk_norm else head


class MLP(Module):
    """proj(activation(fc(x)))"""

    def __init__(self, config: GPTConfig) -> None:
        wide = 2 if config.activation == "swiglu" else 1
        self.fc = nn.Linear(config.n_embd, wide * config.hidden, bias=config.mlp_bias)
        self.activation = getattr(F, config.activation)
        self.proj = nn.Linear(config.hidden, config.n_embd, bias=config.mlp_bias)

    def __call__(self, x: Vector) -> Vector:
        return self.proj(self.activation(self.fc(x)))


def make_norm(config: GPTConfig) -> nn.Norm:
    """The norm that the config names, over the residual stream."""
    gain, bias, eps = config.norm_gain, config.norm_bias, eps_of(config)
    if config.norm == "rms":
        return nn.RMSNorm(config.n_embd, gain=gain, eps=eps)
    if config.norm == "layer":
        return nn.LayerNorm(config.n_embd, gain=gain, bias=bias, eps=eps)
    if config.norm == "dyt":
        return nn.DyT(config.n_embd, gain=gain, bias=bias)
    return nn.Identity()


def eps_of(config: GPTConfig) -> float:
    """norm_eps in force: of 0 the distance of a float from 1 to the next, as PyTorch's rms_norm has it without one"""
    return config.norm_eps or sys.float_info.epsilon


def sinusoid(position: int, n_embd: int) -> list[float]:
    """sin and cos, in turn, of position / 10000^(2i/C)       -> (C,)       Vaswani et al. 2017, arXiv:1706.03762"""
    angles = [position / 10000 ** (i // 2 * 2 / n_embd) for i in range(n_embd)]
    return [math.cos(angle) if i % 2 else math.sin(angle) for i, angle in enumerate(angles)]
