"""The ops of engine/tensor/ops in PyTorch: those that torch has under another name, and those that it has not.

Names and arguments are ours, so that `nanochat certify --backend torch` compares them one by one; models/*/torch.py is
made of the same functions. Indices are int64 tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def full(x: Tensor) -> Tensor:
    """What came out of a product in bfloat16 as float32; anything else as it is."""
    return x.float() if x.dtype == torch.bfloat16 else x


def cross_entropy(logits: Tensor, *, targets: Tensor, label_smoothing: float = 0.0, softcap: float = 0.0) -> Tensor:
    """The mean over targets that are not -1, in nats       logits (..., V), targets (...) -> ()

    nan where none counts, where ours is 0: no such batch is ever drawn, and PyTorch's own mean is one call.
    """
    z = full(logits)
    z = softcap * torch.tanh(z / softcap) if softcap else z
    return F.cross_entropy(z.flatten(0, -2), targets.flatten(), ignore_index=-1, label_smoothing=label_smoothing)


def kl_divergence(
    logits: Tensor, *, teacher: Tensor, targets: Tensor | None = None, temperature: float = 1.0
) -> Tensor:
    """As ops.kl_divergence       logits, teacher (..., V), targets (...) -> ()"""
    log_p, log_q = (F.log_softmax(z / temperature, dim=-1) for z in (teacher, logits))
    each = F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1)
    counted = torch.ones_like(each) if targets is None else (targets >= 0).to(each)
    return temperature**2 * (each * counted).sum() / counted.sum().clamp(min=1)


def rotations(n: int, size: int, base: float = 10000.0) -> Tensor:
    """cos and sin of position * base^(-2i/D)       -> (n, D/2, 2)"""
    angles = torch.outer(
        torch.arange(n, dtype=torch.float64), base ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    )
    return torch.stack([angles.cos(), angles.sin()], dim=-1).to(torch.get_default_dtype())


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Pairs (x_2i, x_2i+1) turned by their positions       (..., T, D), cos and sin (T, D/2, 2) -> (..., T, D)"""
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = turns.unbind(-1)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).type_as(x)


def seen(T: int, S: int, window: int, same: Tensor | None, device: torch.device) -> Tensor:
    """True where query t, which stands at S - T + t, sees key s       -> (T, S), or (B, 1, T, T) with segments"""
    t, s = torch.arange(S - T, S, device=device)[:, None], torch.arange(S, device=device)
    mask = (s <= t) & (s > t - window) if window else s <= t
    return mask if same is None else mask & same


def same_segment(segments: Tensor) -> Tensor:
    """True where two tokens are of one segment       (B, T) -> (B, 1, T, T)"""
    return (segments[:, :, None] == segments[:, None, :])[:, None]


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    window: int = 0,
    segments: Tensor | None = None,
    lengths: Tensor | None = None,
    scale: float = 1.0,
) -> Tensor:
    """As ops.attention       (B, H, T, D), (B, Hkv, S, D) x 2 -> (B, H, T, D)"""
    T, S = q.shape[2], k.shape[2]
    mask = seen(T, S, window, None if segments is None else same_segment(segments), q.device)
    if lengths is not None:
        ends = lengths[:, None, None, None]
        t, s = torch.arange(T)[:, None] + ends - T, torch.arange(S)
        mask = (s <= t) & (s > t - window) if window else s <= t
    share = scale / math.sqrt(q.shape[-1])
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=share, enable_gqa=q.shape[1] != k.shape[1])


def self_attention(
    qkv: Tensor,
    *,
    n_head: int,
    n_kv_head: int,
    positions: Tensor | None = None,
    qk_norm_eps: float = 0.0,
    **masks: Any,
) -> Tensor:
    """Split into heads, placed, attended, merged       (B, T, (H + 2 Hkv) D) -> (B, T, H D)"""
    heads = qkv.unflatten(-1, (n_head + 2 * n_kv_head, -1)).transpose(1, 2)
    placed, v = heads[:, : n_head + n_kv_head], heads[:, n_head + n_kv_head :]
    placed = placed if positions is None else rope(placed, positions=positions)
    placed = rms_norm(placed, eps=qk_norm_eps) if qk_norm_eps else placed
    return attention(placed[:, :n_head], placed[:, n_head:], v, **masks).transpose(1, 2).flatten(2)


def rope(x: Tensor, *, positions: Tensor, **base: float) -> Tensor:
    """(B, H, T, D), positions (T,) -> (B, H, T, D)"""
    return rotate(x, rotations(int(positions.max()) + 1, x.shape[-1], **base)[positions].to(x))


def layer_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, *, eps: float = 1e-5) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], weight, bias, eps)


def rms_norm(x: Tensor, weight: Tensor | None = None, *, eps: float = 1e-5) -> Tensor:
    return F.rms_norm(x, x.shape[-1:], weight, eps)


def dyt(x: Tensor, alpha: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """tanh(alpha x) with gain and bias each optional"""
    x = torch.tanh(alpha * x)
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def embedding_sum(tokens: Tensor, places: Tensor, *, ids: Tensor, positions: Tensor) -> Tensor:
    return F.embedding(ids, tokens) + F.embedding(positions, places)


def swiglu(x: Tensor) -> Tensor:
    """silu(gate) * up of the two halves"""
    gate, up = x.chunk(2, dim=-1)
    return F.silu(gate) * up


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu2": lambda x: F.relu(x).square(),
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "swiglu": swiglu,
}
OPS: dict[str, Callable[..., Tensor]] = {
    **ACTIVATIONS,
    **{name: getattr(torch, name) for name in "add sub mul div maximum neg exp log sqrt tanh abs sum mean".split()},
    "power": lambda x, exponent: x**exponent,
    "scale": lambda x, factor: x * factor,
    "shift": lambda x, by: x + by,
    "matmul": torch.matmul,
    "linear": F.linear,
    "embedding": lambda weight, ids: F.embedding(ids, weight),
    "embedding_sum": embedding_sum,
    "softmax": lambda x: F.softmax(x, dim=-1),
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "dyt": dyt,
    "cross_entropy": cross_entropy,
    "kl_divergence": kl_divergence,
    "rope": rope,
    "attention": attention,
    "self_attention": self_attention,
}
"""Every op that `nanochat certify` compares, by our name."""
