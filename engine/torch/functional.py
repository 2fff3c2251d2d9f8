"""The ops of engine/tensor/ops in PyTorch, where torch.nn.functional has none of that name and meaning."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def full(x: Tensor) -> Tensor:
    """What came out of a product in bfloat16 as float32; anything else as it is."""
    return x.float() if x.dtype == torch.bfloat16 else x


def cross_entropy(logits: Tensor, *, targets: Tensor, softcap: float = 0.0) -> Tensor:
    """The mean over targets that are not -1, in nats; 0 where none counts       logits (..., V), targets (...) -> ()"""
    z = full(logits)
    z = softcap * torch.tanh(z / softcap) if softcap else z
    nats = F.cross_entropy(z.flatten(0, -2), targets.flatten(), ignore_index=-1, reduction="sum")
    return nats / (targets >= 0).sum().clamp(min=1)


def rope(x: Tensor, turns: Tensor) -> Tensor:
    """Pairs (x_2i, x_2i+1) turned by their positions       (..., T, D), cos and sin (T, D/2, 2) -> (..., T, D)"""
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = turns.unbind(-1)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).type_as(x)


def same_segment(segments: Tensor) -> Tensor:
    """True where two tokens are of one segment       (B, T) -> (B, 1, T, T)"""
    return (segments[:, :, None] == segments[:, None, :])[:, None]
