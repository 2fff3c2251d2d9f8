"""The transformer in plain PyTorch, from what the fields of GPTConfig say and nothing else: no fused op, no tile."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

Weights = Mapping[str, Any]


def loss(config: Any, weights: Weights, ids: Any, targets: Any, segments: Any = None) -> Any:
    """Mean cross-entropy over the targets that are not -1; 0 where there is none."""
    z, counted = logits(config, weights, ids, segments), targets != -1
    if not counted.any():
        return z.sum() * 0
    picked = torch.log_softmax(z, -1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return -(picked[counted]).sum() / counted.sum()


def logits(config: Any, weights: Weights, ids: Any, segments: Any = None) -> Any:
    """(B, T) -> (B, T, V)"""
    x = weights["wte.weight"][ids]
    if config.positions == "learned":
        x = x + weights["wpe.weight"][: ids.shape[1]]
    elif config.positions == "sinusoidal":
        x = x + _sinusoids(ids.shape[1], config.n_embd, x.dtype)
    if config.input_rmsnorm:
        x = _rms(x, None, config.norm_eps)
    for i in range(config.n_layer):
        x = _block(config, weights, f"h.{i}", x, segments)
    if config.final_norm:
        x = _norm(config, weights, "norm_f", x)
    z = x @ weights["wte.weight"].T if config.tie_lm_head else _linear(weights, "lm_head", x)
    return config.logit_softcap * torch.tanh(z / config.logit_softcap) if config.logit_softcap else z


def _block(config: Any, weights: Weights, name: str, x: Any, segments: Any) -> Any:
    if config.norm_position == "pre":
        x = x + _attention(config, weights, f"{name}.attn", _norm(config, weights, f"{name}.norm_1", x), segments)
        return x + _mlp(config, weights, f"{name}.mlp", _norm(config, weights, f"{name}.norm_2", x))
    x = _norm(config, weights, f"{name}.norm_1", x + _attention(config, weights, f"{name}.attn", x, segments))
    return _norm(config, weights, f"{name}.norm_2", x + _mlp(config, weights, f"{name}.mlp", x))


def _attention(config: Any, weights: Weights, name: str, x: Any, segments: Any) -> Any:
    (B, T, C), H, G = x.shape, config.n_head, config.n_kv_head or config.n_head
    D = C // H
    parts = _linear(weights, f"{name}.qkv", x).split([H * D, G * D, G * D], -1)
    q, k, v = (part.reshape(B, T, -1, D).transpose(1, 2) for part in parts)
    if config.positions == "rope":
        q, k = _rope(q), _rope(k)
    if config.qk_norm:
        q, k = _rms(q, None, config.norm_eps), _rms(k, None, config.norm_eps)
    k, v = k.repeat_interleave(H // G, 1), v.repeat_interleave(H // G, 1)
    t = torch.arange(T)
    seen = t[None] <= t[:, None]
    if config.window:
        seen = seen & (t[None] > t[:, None] - config.window)
    if segments is not None:
        seen = seen & (segments[:, None, :, None] == segments[:, None, None, :])
    scores = (q @ k.transpose(-1, -2) / math.sqrt(D)).masked_fill(~seen, -math.inf)
    y = (_softmax(scores) @ v).transpose(1, 2).reshape(B, T, C)
    return _linear(weights, f"{name}.proj", y) if config.attn_proj else y


def _softmax(scores: Any) -> Any:
    """softmax whose largest weight is 1 minus the others, so that no gradient of a saturated row is a rounding.

    dL/ds = p (dL/dp - mean). Where one p is 1 the difference is 0, and what torch's softmax computes is a rounding of
    |g| |v|, which huge queries and keys multiply: against 60 digits of mpmath its gradients were wrong by 1e-8.
    """
    p, largest = torch.softmax(scores, -1), scores.argmax(-1, keepdim=True)
    others = p.scatter(-1, largest, 0.0)
    return others.scatter(-1, largest, 1 - others.sum(-1, keepdim=True))


def _mlp(config: Any, weights: Weights, name: str, x: Any) -> Any:
    h, functional = _linear(weights, f"{name}.fc", x), torch.nn.functional
    if config.activation == "swiglu":
        gate, up = h.chunk(2, -1)
        h = gate * torch.sigmoid(gate) * up
    elif config.activation == "gelu":
        h = functional.gelu(h, approximate="tanh")
    elif config.activation == "relu2":
        h = torch.relu(h) ** 2
    else:
        h = getattr(functional, config.activation)(h)
    return _linear(weights, f"{name}.proj", h)


def _norm(config: Any, weights: Weights, name: str, x: Any) -> Any:
    gain, bias = weights.get(f"{name}.weight"), weights.get(f"{name}.bias")
    if config.norm == "none":
        return x
    if config.norm == "rms":
        return _rms(x, gain, config.norm_eps)
    if config.norm == "dyt":
        x = torch.tanh(weights[f"{name}.alpha"] * x)
    else:
        centred = x - x.mean(-1, keepdim=True)
        x = centred / torch.sqrt((centred * centred).mean(-1, keepdim=True) + config.norm_eps)
    x = x if gain is None else x * gain
    return x if bias is None else x + bias


def _rms(x: Any, gain: Any, eps: float) -> Any:
    x = x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps)
    return x if gain is None else x * gain


def _linear(weights: Weights, name: str, x: Any) -> Any:
    return torch.nn.functional.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def _rope(x: Any) -> Any:
    T, D = x.shape[-2:]
    angle = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(0, D, 2, dtype=x.dtype) / D)  # (T, D/2)
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = (even * angle.cos() - odd * angle.sin(), even * angle.sin() + odd * angle.cos())
    return torch.stack(turned, -1).reshape(x.shape)


def _sinusoids(T: int, C: int, dtype: Any) -> Any:
    channel = torch.arange(C)
    angle = torch.arange(T)[:, None] / 10000.0 ** ((channel // 2 * 2).to(dtype) / C)
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos())
