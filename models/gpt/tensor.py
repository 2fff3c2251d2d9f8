"""The transformer in arrays, all tokens of a batch at once. Read beside scalar.py: `diff -y scalar.py tensor.py`.

Training sees whole sequences; decoding sees the tokens since the last call and takes the keys and values of those
before from a KVCache. Both are the same attention, with as many keys as queries or more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.module import Module
from ...engine.tensor import Tensor, array_of, nn, no_grad, ops
from ...engine.tensor import functional as F
from ...engine.tensor.ops.attention import attend_last
from ..initial import draw_weights
from .cache import KVCache
from .config import GPTConfig


class GPT(Module):
    """ids -> embedding -> blocks -> logits"""

    takes_arrays = True

    def __init__(
        self,
        config: GPTConfig,
        seed: int | None = 0,
        *,
        dtype: Any = np.float32,
        dropout_rng: np.random.Generator | None = None,
    ) -> None:
        self.config, self.dtype = config, np.dtype(dtype)
        self.wte = nn.Embedding(config.vocab_size, config.n_embd, dtype=dtype)
        self.wpe = (
            nn.Embedding(config.block_size, config.n_embd, dtype=dtype) if config.positions == "learned" else None
        )
        self.h = [Block(config, dtype, layer) for layer in range(config.n_layer)]
        self.norm_f = make_norm(config, dtype) if config.final_norm else None
        self.lm_head = (
            None
            if config.tie_lm_head
            else nn.Linear(config.n_embd, config.vocab_size, bias=config.head_bias, dtype=dtype)
        )
        self.dropout = nn.Dropout(config.dropout, dropout_rng or np.random.default_rng(seed))
        if seed is not None:  # otherwise weights are loaded, and drawing them first would take seconds
            self.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(seed)))

    def loss(self, inputs: np.ndarray, targets: np.ndarray, segments: np.ndarray | None = None) -> Tensor:
        """Mean cross-entropy in nats over the targets that are not -1       inputs, targets (B, T) -> ()"""
        self.dropout.training = True
        x = self._blocks(array_of(inputs), segments, None)
        smoothing, cap = self.config.label_smoothing, self.config.logit_softcap
        return F.cross_entropy(self.head(x), targets=array_of(targets), label_smoothing=smoothing, softcap=cap)

    def logits(self, ids: np.ndarray, cache: KVCache | None = None) -> Tensor:
        """(B, T) -> (B, T, V). With a cache the ids follow those that it has seen, and are added to it."""
        self.dropout.training = False
        return self.capped(self.head(self._blocks(array_of(ids), None, cache)))

    def predict(self, ids: np.ndarray, cache: KVCache | None = None) -> np.ndarray:
        """`logits` as a plain array, without a graph; whoever reads it names what is not finite."""
        with no_grad(), np.errstate(all="ignore"):
            return self.logits(ids, cache).data

    def empty_cache(self, batch_size: int = 1) -> KVCache:
        """Room for block_size tokens of each row, nothing seen yet."""
        return KVCache(self.config, batch_size, self.dtype)

    def _blocks(self, ids: np.ndarray, segments: np.ndarray | None, cache: KVCache | None) -> Tensor:
        """All tokens through all blocks: the last residual stream.       (B, T) -> (B, T, C)"""
        positions = self.positions(ids.shape[1], cache)
        x = self.embed(ids, positions)
        for layer, block in enumerate(self.h):
            x = block(x, positions, segments, self.dropout, None if cache is None else (cache, layer))
        if cache is not None:
            cache.advance(ids.shape[1])
        return x

    def positions(self, n_new: int, cache: KVCache | None) -> np.ndarray:
        """Where the next n_new tokens stand, (T,) or (B, T). Raises ValueError where they do not fit."""
        if n_new > self.config.block_size:
            raise ValueError(f"{n_new} tokens do not fit in block_size={self.config.block_size}")
        return np.arange(n_new) if cache is None else cache.positions(n_new)

    def embed(self, ids: np.ndarray, positions: np.ndarray) -> Tensor:
        """What enters the first block       ids (B, T), positions (T,) or (B, T) -> (B, T, C)"""
        if self.wpe is not None:
            x = F.embedding_sum(self.wte.weight, self.wpe.weight, ids=ids, positions=positions)  # (B, T, C)
        else:
            x = self.wte(array_of(ids))
        if self.config.positions == "sinusoidal":
            x = x + sinusoids(positions, self.config.n_embd).astype(self.dtype)
        if self.config.input_rmsnorm:
            x = F.rms_norm(x, None, eps=eps_of(self.config, self.dtype))
        return self.dropout(x)

    def head(self, x: Tensor) -> Tensor:
        """The residual stream after any block as logits, without their cap       (B, T, C) -> (B, T, V)"""
        x = x if self.norm_f is None else self.norm_f(x)
        return F.linear(x, self.wte.weight, None) if self.lm_head is None else self.lm_head(x)

    def capped(self, z: Tensor) -> Tensor:
        """Logits held between -logit_softcap and logit_softcap       Gemma Team 2024, arXiv:2408.00118"""
        cap = self.config.logit_softcap
        return F.tanh(z * (1 / cap)) * cap if cap else z


class Block(Module):
    """pre: x + f(norm(x));  post: norm(x + f(x));  f is attention, then the MLP"""

    def __init__(self, config: GPTConfig, dtype: Any, layer: int = 0) -> None:
        self.pre = config.norm_position == "pre"
        self.norm_1 = make_norm(config, dtype)
        self.attn = Attention(config, dtype, layer)
        self.norm_2 = make_norm(config, dtype)
        self.mlp = MLP(config, dtype)

    def __call__(
        self,
        x: Tensor,
        positions: np.ndarray,
        segments: np.ndarray | None,
        drop: nn.Dropout,
        memory: tuple[KVCache, int] | None,
    ) -> Tensor:
        if self.pre:
            x = x + drop(self.attn(self.norm_1(x), positions, segments, memory))
            return x + drop(self.mlp(self.norm_2(x)))
        x = self.norm_1(x + drop(self.attn(x, positions, segments, memory)))
        return self.norm_2(x + drop(self.mlp(x)))


class Attention(Module):
    """Causal self-attention; query head i uses key and value head i // (n_head / n_kv_head)"""

    def __init__(self, config: GPTConfig, dtype: Any, layer: int = 0) -> None:
        self.config, self.window, self.eps = config, config.window_of(layer), eps_of(config, dtype)
        kv = config.kv_heads * config.head_size
        inner, bias = config.attn_width, config.attn_bias
        self.qkv = nn.Linear(config.n_embd, inner + 2 * kv, bias=bias, dtype=dtype)
        self.proj = nn.Linear(inner, config.n_embd, bias=bias, dtype=dtype) if config.attn_proj else None

    def __call__(
        self,
        x: Tensor,
        positions: np.ndarray,
        segments: np.ndarray | None,
        memory: tuple[KVCache, int] | None,
        more: Tensor | None = None,
    ) -> Tensor:
        """x (B, T, C) -> (B, T, C); `more` (B, T, Hkv D) is added to the values."""
        qkv = self.qkv(x)  # (B, T, (H + 2 Hkv) D)
        if more is not None:
            edge = qkv.shape[-1] - more.shape[-1]
            qkv = F.concat(qkv[..., :edge], qkv[..., edge:] + more, axis=-1)
        y = self.attend(qkv, positions, segments) if memory is None else self._decode(qkv, positions, *memory)
        return y if self.proj is None else self.proj(y)

    def attend(self, qkv: Tensor, positions: np.ndarray, segments: np.ndarray | None) -> Tensor:
        """Each head's mean of values, side by side       (B, T, (H + 2 Hkv) D) -> (B, T, H D)"""
        config = self.config
        return F.self_attention(
            qkv,
            n_head=config.n_head,
            n_kv_head=config.kv_heads,
            positions=positions if config.positions == "rope" else None,
            base=config.rope_base,
            qk_norm_eps=self.eps if config.qk_norm else 0.0,
            window=self.window,
            segments=segments,
            scale=config.attn_scale,
        )

    def _decode(self, qkv: Tensor, positions: np.ndarray, cache: KVCache, layer: int) -> Tensor:
        """The same for tokens that follow those in the cache. On plain arrays: no gradient flows through a cache."""
        config, (B, T, _) = self.config, qkv.shape
        q, k, v = self.heads(qkv.data, positions)
        keys, values = cache.append(layer, k, v)
        if T == 1 and cache.even:
            y = attend_last(q, keys, values, window=self.window, scale=config.attn_scale)
        else:
            lengths = None if cache.even else cache.lengths + T
            y, _ = ops.attention(q, keys, values, window=self.window, lengths=lengths, scale=config.attn_scale)
        return Tensor(y.swapaxes(1, 2).reshape(B, T, config.attn_width))

    def heads(self, qkv: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Queries (B, H, T, D), keys and values (B, Hkv, T, D) as attention meets them: rotated and normed."""
        config, (B, T, _) = self.config, qkv.shape
        n_q, n_placed = config.n_head, config.n_head + config.kv_heads
        heads = qkv.reshape(B, T, n_placed + config.kv_heads, config.head_size).swapaxes(1, 2)
        placed, v = heads[:, :n_placed], heads[:, n_placed:]  # (B, H + Hkv, T, D), (B, Hkv, T, D)
        if config.positions == "rope":
            placed = ops.rope(placed, positions=positions, base=config.rope_base)[0]
        if config.qk_norm:
            placed = ops.rms_norm(placed, eps=self.eps)[0]
        return placed[:, :n_q], placed[:, n_q:], v


class MLP(Module):
    """proj(activation(fc(x)))"""

    def __init__(self, config: GPTConfig, dtype: Any) -> None:
        wide = 2 if config.activation == "swiglu" else 1
        self.fc = nn.Linear(config.n_embd, wide * config.hidden, bias=config.mlp_bias, dtype=dtype)
        self.activation = getattr(F, config.activation)
        self.proj = nn.Linear(config.hidden, config.n_embd, bias=config.mlp_bias, dtype=dtype)

    def __call__(self, x: Tensor) -> Tensor:
        return self.proj(self.activation(self.fc(x)))


def make_norm(config: GPTConfig, dtype: Any) -> nn.Norm:
    """The norm that the config names, over the residual stream."""
    gain, bias, eps = config.norm_gain, config.norm_bias, eps_of(config, dtype)
    if config.norm == "rms":
        return nn.RMSNorm(config.n_embd, gain=gain, eps=eps, dtype=dtype)
    if config.norm == "layer":
        return nn.LayerNorm(config.n_embd, gain=gain, bias=bias, eps=eps, dtype=dtype)
    if config.norm == "dyt":
        return nn.DyT(config.n_embd, gain=gain, bias=bias, dtype=dtype)
    return nn.Identity()


def eps_of(config: GPTConfig, dtype: Any) -> float:
    """norm_eps in force: of 0 the distance of a number of that kind from 1 to the next, as PyTorch's rms_norm has it"""
    return config.norm_eps or float(np.finfo(dtype).eps)


def sinusoids(positions: np.ndarray, n_embd: int) -> np.ndarray:
    """sin and cos, in turn, of position / 10000^(2i/C)       (...) -> (..., C)       arXiv:1706.03762"""
    channel = np.arange(n_embd)
    angles = positions[..., None] / 10000.0 ** (channel // 2 * 2 / n_embd)
    return np.where(channel % 2, np.cos(angles), np.sin(angles))
