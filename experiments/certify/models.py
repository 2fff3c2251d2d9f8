"""Every layer, and the whole model of a preset, in both spellings: one configuration, the same weights and tokens."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ...engine.module import Module, shape_of
from ...engine.scalar import nn as scalar_nn
from ...engine.tensor import Tensor
from ...engine.tensor import nn as tensor_nn
from ...models.base import Model, ModelConfig
from ...models.bigram.config import BigramConfig
from ...models.build import build_model
from ...models.gpt import scalar as scalar_gpt
from ...models.gpt import tensor as tensor_gpt
from ...models.gpt.config import GPTConfig
from ...models.gpt.upstream.config import UpstreamConfig
from ...models.parameters import count_parameters
from . import third
from .case import Case, Side, combine, to_values

_T, _C = 5, 8
"""Tokens and channels of a layer's input."""
_LARGE = 10_000
"""Parameters above which a preset is reduced: in single numbers it would take minutes."""
_SEGMENTS = np.array([3, 3, 4, 4, 4])


def layer_cases() -> list[Case]:
    """Every layer of nn, and the parts of the transformer in their main variants."""
    plain = GPTConfig(n_embd=_C, n_head=2, mlp_width=6)
    grouped = replace(plain, n_head=4, n_kv_head=2, positions="rope", qk_norm=True, window=3)
    biased = replace(
        plain, norm="layer", norm_gain=True, norm_bias=True, attn_bias=True, mlp_bias=True, activation="gelu"
    )
    wide = replace(plain, n_head=3, head_dim=4, positions="rope", rope_base=100.0, attn_scale=1.44, norm_eps=0.0)
    dyt = replace(plain, norm="dyt", norm_gain=True, attn_proj=False, activation="silu")
    eps = {"eps": 1e-5}
    return [
        _layer("Linear", _C, 3, bias=False),
        _layer("Linear", _C, 3, bias=True),
        _layer("RMSNorm", _C, gain=False, **eps),
        _layer("RMSNorm", _C, gain=True, **eps),
        _layer("LayerNorm", _C, gain=False, bias=False, **eps),
        _layer("LayerNorm", _C, gain=True, bias=False, **eps),
        _layer("LayerNorm", _C, gain=True, bias=True, **eps),
        _layer("DyT", _C, gain=False, bias=False),
        _layer("DyT", _C, gain=True, bias=True),
        _embedding(),
        _part("Attention", plain, "2 heads"),
        _part("Attention", grouped, "rope, QK norm, 4 query heads on 2, window 3"),
        _part("Attention", wide, "3 heads of 4 channels, rope of base 100, scores times 1.44"),
        *(_part("MLP", replace(plain, activation=name), name) for name in ("relu", "relu2", "gelu", "silu", "swiglu")),
        _part("Block", plain, "pre-RMSNorm, relu2"),
        _part("Block", biased, "pre-LayerNorm, gelu, biases"),
        _part("Block", replace(biased, norm_position="post", activation="relu"), "post-LayerNorm, relu, biases"),
        _part("Block", dyt, "DyT, silu, no output projection"),
    ]


def model_case(name: str, config: ModelConfig) -> Case:
    """The whole model of a preset: mean cross-entropy of two rows, with segments and ignored targets."""
    small = reduced(config)
    before, after = count_parameters(config.parameters()), count_parameters(small.parameters())
    remark = (
        f"{after:,} parameters"
        if small == config
        else f"reduced: {_changes(config, small)}; {after:,} parameters of {before:,}"
    )

    def build(rng: np.random.Generator) -> tuple[Side, Side]:
        shape = (2, small.block_size)
        inputs, targets = rng.integers(0, small.vocab_size, (2, *shape))
        targets[0, 1] = targets[1, -1] = -1
        segments = np.stack([np.zeros(shape[1], int), np.arange(shape[1]) // max(1, shape[1] // 2)])
        scalar, tensor = build_model(small, "scalar"), build_model(small, "tensor", "float64")
        _fill(scalar, tensor, rng)
        return (
            Side(
                dict(scalar.named_parameters()),
                lambda: scalar.loss(inputs.tolist(), targets.tolist(), segments.tolist()),
            ),
            Side(
                dict(tensor.named_parameters()),
                lambda: tensor.loss(inputs, targets, segments),
                third=lambda: third.model(small, inputs, targets, segments),
            ),
        )

    return Case(kind="model", name=name, remark=remark, build=build)


def reduced(config: ModelConfig) -> ModelConfig:
    """The same architecture at a size for single numbers: heads keep their number, the MLP its share; no dropout."""
    if isinstance(config, BigramConfig) or count_parameters(config.parameters()) <= _LARGE:
        return config
    if isinstance(config, UpstreamConfig):
        config = replace(config, value_gate_channels=min(config.value_gate_channels, 6))
    n_embd = 4 * config.n_head if config.n_head <= 4 else 2 * config.n_head
    return replace(
        config,
        vocab_size=min(config.vocab_size, 12),
        block_size=min(config.block_size, 8),
        n_layer=min(config.n_layer, 2),
        n_embd=n_embd,
        head_dim=min(config.head_dim, 4) if config.attn_proj else 0,
        mlp_width=max(1, n_embd * config.hidden // config.n_embd),
        dropout=0.0,
    )


def _changes(config: Any, small: Any) -> str:
    """'n_layer 6 -> 2, ...'"""
    names = [*(name for name in vars(config) if name != "mlp_width"), "hidden"]
    pairs = ((name, getattr(config, name), getattr(small, name)) for name in names)
    return ", ".join(f"{name} {before} -> {after}" for name, before, after in pairs if before != after)


def _layer(name: str, *sizes: int, **options: Any) -> Case:
    """The layer of that name in both nn, applied to _T rows"""

    def build(rng: np.random.Generator) -> tuple[Side, Side]:
        scalar = getattr(scalar_nn, name)(*sizes, **options)
        tensor = getattr(tensor_nn, name)(*sizes, **options, dtype=np.float64)
        sides = _module_sides(scalar, tensor, lambda x: [scalar(row) for row in x], tensor, rng)
        return sides[0], sides[1]._replace(third=lambda: third.layer(name, *sizes, **options))

    has = [f"{option}" for option, wanted in options.items() if wanted is True]
    remark = f"{_T}x{_C}" + (f", {' and '.join(has)}" if has else "")
    return Case(kind="layer", name=" ".join([name, *has]), remark=remark, build=build)


def _embedding() -> Case:
    ids = [4, 1, 1, 0]

    def build(rng: np.random.Generator) -> tuple[Side, Side]:
        scalar, tensor = scalar_nn.Embedding(6, _C), tensor_nn.Embedding(6, _C, dtype=np.float64)
        sides = _module_sides(
            scalar, tensor, lambda x: [scalar(i) for i in ids], lambda x: tensor(np.array(ids)), rng, takes_x=False
        )
        return sides[0], sides[1]._replace(third=lambda: third.embedding(np.array(ids)))

    return Case(kind="layer", name="Embedding", remark=f"6x{_C}, an id twice", build=build)


def _part(name: str, config: GPTConfig, remark: str) -> Case:
    """Attention, MLP or Block of models/gpt, on one row of two segments"""

    def build(rng: np.random.Generator) -> tuple[Side, Side]:
        scalar = getattr(scalar_gpt, name)(config)
        tensor = getattr(tensor_gpt, name)(config, np.float64)
        no_dropout = tensor_nn.Dropout(0.0, rng)

        def by_token(x: Any) -> Any:
            if name == "MLP":
                return [scalar(row) for row in x]
            memory = scalar_gpt.Memory()
            return [scalar(row, t, int(_SEGMENTS[t]), memory) for t, row in enumerate(x)]

        def at_once(x: Tensor) -> Tensor:
            if name == "MLP":
                return tensor(x)
            drop = (no_dropout,) if name == "Block" else ()
            return tensor(x.reshape(1, _T, _C), np.arange(_T), _SEGMENTS[None], *drop, None)

        sides = _module_sides(scalar, tensor, by_token, at_once, rng)
        return sides[0], sides[1]._replace(third=lambda: third.part(name, config, _SEGMENTS))

    return Case(kind="layer", name=f"{name} ({remark})", remark=f"1x{_T}x{_C}", build=build)


def _module_sides(
    scalar: Module,
    tensor: Module,
    scalar_call: Callable[[Any], Any],
    tensor_call: Callable[[Tensor], Tensor],
    rng: np.random.Generator,
    *,
    takes_x: bool = True,
) -> tuple[Side, Side]:
    """Sides that vary the weights and the input x (T, C); the loss is a random combination of the output"""
    _fill(scalar, tensor, rng)
    array = rng.standard_normal((_T, _C))
    x, x_values = Tensor(array, requires_grad=True), to_values(array)
    probe = rng.standard_normal(tensor_call(x).shape)
    x_side, x_values_side = ({"x": x}, {"x": x_values}) if takes_x else ({}, {})
    return (
        Side(x_values_side | dict(scalar.named_parameters()), lambda: combine(scalar_call(x_values), probe)),
        Side(x_side | dict(tensor.named_parameters()), lambda: (tensor_call(x) * probe).sum(), probe),
    )


def _fill(scalar: Module | Model, tensor: Module | Model, rng: np.random.Generator) -> None:
    """The same random weights into both, none of them zero: a first weight of zero would hide what lies behind it"""
    state = {name: _draw(shape_of(parameter), rng) for name, parameter in tensor.named_parameters()}
    scalar.load_state_dict(state)
    tensor.load_state_dict(state)


def _draw(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Matrices keep the size of what they multiply, gains and biases scatter around 1/2"""
    x = rng.standard_normal(shape)
    return x / math.sqrt(shape[-1]) if len(shape) > 1 else 0.5 + 0.5 * x
