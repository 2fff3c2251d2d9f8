"""The transformer in PyTorch, as somebody who knows PyTorch would write it for speed. Read beside tensor.py.

Fused qkv, F.scaled_dot_product_attention with is_causal, a preallocated KV cache. Parameters have our names, so a
state_dict moves between the two. Not here: rows of different length in a cache.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...engine.torch.functional import ACTIVATIONS, cross_entropy, dyt, full, rotate, rotations, same_segment, seen
from .config import GPTConfig


class TorchGPT(nn.Module):
    """ids -> embedding -> blocks -> logits. Raises ValueError for a configuration with parts that are not here."""

    takes: tuple[type[GPTConfig], ...] = (GPTConfig,)

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        if type(config) not in self.takes:
            raise ValueError(f"{type(config).__name__} has parts that {type(self).__name__} has not")
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        if config.positions == "learned":
            self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList([Block(config, layer) for layer in range(config.n_layer)])
        self.norm_f = make_norm(config) if config.final_norm else nn.Identity()
        if not config.tie_lm_head:
            self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=config.head_bias)
        if config.positions == "rope":
            self.register_buffer(
                "table", rotations(config.block_size, config.head_size, config.rope_base), persistent=False
            )
        elif config.positions == "sinusoidal":
            self.register_buffer("table", sinusoids(config.block_size, config.n_embd), persistent=False)

    def forward(
        self,
        ids: Tensor,
        targets: Tensor | None = None,
        cache: KVCache | None = None,
        segments: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, T, V), or with targets (B, T) their mean cross-entropy in nats; -1 is ignored."""
        config, n_seen = self.config, 0 if cache is None else cache.length
        here = slice(n_seen, n_seen + ids.shape[1])
        x = self.wte(ids)
        if config.positions == "learned":
            x = x + self.wpe.weight[here]
        elif config.positions == "sinusoidal":
            x = x + self.table[here]
        if config.input_rmsnorm:
            x = F.rms_norm(x, (config.n_embd,), eps=config.norm_eps or None)
        x = self.drop(x)
        turns = self.table[here] if config.positions == "rope" else None
        same = None if segments is None else same_segment(segments)
        x = self.blocks(x, ids, turns, cache, same)
        if cache is not None:
            cache.length += ids.shape[1]
        x = self.norm_f(x)
        logits = F.linear(x, self.wte.weight) if config.tie_lm_head else self.lm_head(x)
        if targets is not None:
            smoothing = config.label_smoothing if self.training else 0.0
            return cross_entropy(logits, targets=targets, label_smoothing=smoothing, softcap=config.logit_softcap)
        cap = config.logit_softcap
        return cap * torch.tanh(full(logits) / cap) if cap else full(logits)

    def blocks(
        self, x: Tensor, ids: Tensor, turns: Tensor | None, cache: KVCache | None, same: Tensor | None
    ) -> Tensor:
        """The stream after the last block       x (B, T, C), ids (B, T) -> (B, T, C)"""
        for layer, block in enumerate(self.h):
            x = block(x, turns, None if cache is None else (cache, layer), same)
        return x

    def load_ours(self, state: Mapping[str, Any]) -> None:
        """Weights from our state_dict."""
        self.load_state_dict({name: torch.as_tensor(array) for name, array in state.items()})


class Block(nn.Module):
    """pre: x + f(norm(x));  post: norm(x + f(x))"""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.pre = config.norm_position == "pre"
        self.norm_1, self.attn = make_norm(config), Attention(config, layer)
        self.norm_2, self.mlp = make_norm(config), MLP(config)

    def forward(
        self, x: Tensor, turns: Tensor | None, memory: tuple[KVCache, int] | None, same: Tensor | None = None
    ) -> Tensor:
        if self.pre:
            x = x + self.attn(self.norm_1(x), turns, memory, same)
            return x + self.mlp(self.norm_2(x))
        x = self.norm_1(x + self.attn(x, turns, memory, same))
        return self.norm_2(x + self.mlp(x))


class Attention(nn.Module):
    """Causal self-attention in one fused call"""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.config, self.window = config, config.window_of(layer)
        self.sizes = [config.attn_width, config.kv_heads * config.head_size, config.kv_heads * config.head_size]
        self.qkv = nn.Linear(config.n_embd, sum(self.sizes), bias=config.attn_bias)
        self.proj = (
            nn.Linear(config.attn_width, config.n_embd, bias=config.attn_bias) if config.attn_proj else nn.Identity()
        )
        self.drop = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        turns: Tensor | None,
        memory: tuple[KVCache, int] | None,
        same: Tensor | None = None,
        more: Tensor | None = None,
    ) -> Tensor:
        """same (B, 1, T, T): which tokens are of one segment, where there are several; never with a memory.

        more (B, T, Hkv D) is added to the values.
        """
        config, (B, T, _) = self.config, x.shape
        q, k, v = (
            part.view(B, T, -1, config.head_size).transpose(1, 2) for part in self.qkv(x).split(self.sizes, dim=2)
        )
        if more is not None:
            v = v + more.view(B, T, -1, config.head_size).transpose(1, 2)
        if turns is not None:
            q, k = rotate(q, turns), rotate(k, turns)
        if config.qk_norm:
            q, k = (F.rms_norm(part, (config.head_size,), eps=config.norm_eps or None) for part in (q, k))
        if memory is not None:
            cache, layer = memory
            k, v = cache.append(layer, k, v)
        S = k.shape[2]
        whole = same is None and T == S and not (self.window and self.window < S)
        y = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=None if whole or (T == 1 and not self.window) else seen(T, S, self.window, same, x.device),
            is_causal=whole,
            scale=config.attn_scale / math.sqrt(config.head_size),
            enable_gqa=config.kv_heads != config.n_head,
        )
        return self.drop(self.proj(y.transpose(1, 2).reshape(B, T, config.attn_width)))


class MLP(nn.Module):
    """proj(activation(fc(x)))"""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        wide = 2 if config.activation == "swiglu" else 1
        self.fc = nn.Linear(config.n_embd, wide * config.hidden, bias=config.mlp_bias)
        self.activation = ACTIVATIONS[config.activation]
        self.proj = nn.Linear(config.hidden, config.n_embd, bias=config.mlp_bias)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.proj(self.activation(self.fc(x))))


class KVCache:
    """Room for block_size keys and values of each layer, all rows equally long."""

    def __init__(self, config: GPTConfig, batch_size: int = 1, dtype: torch.dtype = torch.float32) -> None:
        shape = (config.n_layer, batch_size, config.kv_heads, config.block_size, config.head_size)
        self.keys, self.values = torch.zeros(shape, dtype=dtype), torch.zeros(shape, dtype=dtype)
        self.length = 0

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write (B, Hkv, T, D) behind what is there; all of the layer's (B, Hkv, S, D), views."""
        end = self.length + k.shape[2]
        self.keys[layer, :, :, self.length : end] = k
        self.values[layer, :, :, self.length : end] = v
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


def make_adamw(
    model: nn.Module,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    fused: bool = True,
) -> torch.optim.AdamW:
    """Fused AdamW that decays matrices only, as nanoGPT's and ours."""
    groups = [
        {"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=lr, betas=betas, eps=eps, fused=fused)


def train_step(
    model: TorchGPT, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor, max_grad_norm: float = 0.0
) -> float:
    """Forward, backward, clip, AdamW: the loss before the step."""
    optimizer.zero_grad(set_to_none=True)
    loss = model(inputs, targets)
    loss.backward()
    if max_grad_norm:
        nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
    optimizer.step()
    return loss.item()


# **** norms, positions


class LayerNorm(nn.Module):
    """nn.LayerNorm with gain and bias each optional"""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.shape, self.eps = (config.n_embd,), config.norm_eps
        self.weight = nn.Parameter(torch.ones(config.n_embd)) if config.norm_gain else None
        self.bias = nn.Parameter(torch.zeros(config.n_embd)) if config.norm_bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.shape, self.weight, self.bias, self.eps or torch.finfo(x.dtype).eps)


class DyT(nn.Module):
    """tanh(alpha x) with gain and bias each optional"""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((1,), 0.5))
        self.weight = nn.Parameter(torch.ones(config.n_embd)) if config.norm_gain else None
        self.bias = nn.Parameter(torch.zeros(config.n_embd)) if config.norm_bias else None

    def forward(self, x: Tensor) -> Tensor:
        return dyt(x, self.alpha, self.weight, self.bias)


def make_norm(config: GPTConfig) -> nn.Module:
    """The norm that the config names."""
    if config.norm == "rms":
        return nn.RMSNorm(config.n_embd, eps=config.norm_eps or None, elementwise_affine=config.norm_gain)
    if config.norm == "layer":
        return LayerNorm(config)
    return DyT(config) if config.norm == "dyt" else nn.Identity()


def sinusoids(n: int, n_embd: int) -> Tensor:
    """sin and cos, in turn, of position / 10000^(2i/C)       -> (n, C)"""
    even = torch.arange(0, n_embd, 2, dtype=torch.float64)
    angles = torch.outer(torch.arange(n, dtype=torch.float64), 10000.0 ** (-even / n_embd))
    table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :n_embd]
    return table.to(torch.get_default_dtype())
