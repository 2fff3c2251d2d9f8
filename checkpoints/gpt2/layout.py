"""GPT-2 as Hugging Face lays it out and as we do: names of weights, which way they lie, fields of the configuration.

Their linear layers (Conv1D) keep weights as (in, out), ours as (out, in); the rest is a matter of names. What would
change the logits is refused by name. Reads and writes no file: gpt2.py does.

Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CheckpointError, ConfigError
from ...models.gpt.config import Activation, GPTConfig
from ...models.parameters import Parameter

PREFIX = "transformer."
_OUTSIDE = {"wte": "wte", "wpe": "wpe", "norm_f": "ln_f"}
_INSIDE = {
    "norm_1": "ln_1",
    "attn.qkv": "attn.c_attn",
    "attn.proj": "attn.c_proj",
    "norm_2": "ln_2",
    "mlp.fc": "mlp.c_fc",
    "mlp.proj": "mlp.c_proj",
}
"""Modules of a block; attn.c_attn, too, holds queries, keys and values one after the other."""
_ACTIVATIONS: dict[str, Activation] = {
    "gelu_new": "gelu",  # the form with tanh; their "gelu" is the one with erf, which we do not have
    "gelu_pytorch_tanh": "gelu",
    "relu": "relu",
    "relu2": "relu2",
    "silu": "silu",
    "swish": "silu",
}
_GENERAL = {
    "hidden_size": "n_embd",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
}
"""Names that all models of Hugging Face have for fields of GPT-2."""
_FIXED = {
    "norm": "layer",
    "norm_position": "pre",
    "final_norm": True,
    "input_rmsnorm": False,
    "qk_norm": False,
    "positions": "learned",
    "attn_proj": True,
    "head_bias": False,
    "window": 0,
    "attn_scale": 1.0,
    "logit_softcap": 0.0,
}
"""What GPT-2 is, in fields of ours."""
AFFINE: dict[str, Any] = {"norm_gain": True, "norm_bias": True, "attn_bias": True, "mlp_bias": True}
"""What it has, too; where a model lacks them, they are written as ones and zeros, which change nothing."""


@dataclass(frozen=True, kw_only=True)
class GPT2Config:
    """The fields of config.json that decide logits, with GPT-2's defaults; all others are left alone."""

    model_type: str = "gpt2"
    vocab_size: int = 50257
    n_positions: int = 1024
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    n_inner: int | None = None
    activation_function: str = "gelu_new"
    layer_norm_epsilon: float = 1e-5
    resid_pdrop: float = 0.1
    initializer_range: float = 0.02
    eos_token_id: int | list[int] | None = 50256
    tie_word_embeddings: bool = True
    scale_attn_weights: bool = True
    scale_attn_by_inverse_layer_idx: bool = False
    add_cross_attention: bool = False


@dataclass(frozen=True, kw_only=True)
class Ends:
    """What generation_config.json says of the end of a text; it has no default there."""

    eos_token_id: int | list[int] | None = None


def canonical(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """config.json with GPT-2's own names in the place of the general ones, which are read there as well.

    Raises CheckpointError where a field stands twice and differs.
    """
    result = {name: value for name, value in content.items() if name not in _GENERAL}
    for general, own in _GENERAL.items():
        if general in content and result.setdefault(own, content[general]) != content[general]:
            raise CheckpointError(
                f"{path} has {own}={result[own]!r} and {general}={content[general]!r}, which mean the same: remove one"
            )
    return result


def gpt2_name(name: str) -> str:
    """The name that a weight of ours has there.

    >>> gpt2_name("h.0.attn.qkv.weight"), gpt2_name("norm_f.bias"), gpt2_name("lm_head.weight")
    ('transformer.h.0.attn.c_attn.weight', 'transformer.ln_f.bias', 'lm_head.weight')
    """
    module, _, kind = name.rpartition(".")
    if module == "lm_head":
        return name
    if module in _OUTSIDE:
        return f"{PREFIX}{_OUTSIDE[module]}.{kind}"
    _, layer, part = module.split(".", 2)
    return f"{PREFIX}h.{layer}.{_INSIDE[part]}.{kind}"


def turned(name: str, weight: np.ndarray) -> np.ndarray:
    """A linear layer's weight with its axes exchanged, others as they are; ours to theirs and back."""
    return np.ascontiguousarray(weight.T) if _is_linear(name) else weight


def their_shape(name: str, parameter: Parameter) -> tuple[int, ...]:
    """The shape that a weight of ours has there."""
    return parameter.shape[::-1] if _is_linear(name) else parameter.shape


def our_config(content: GPT2Config, path: Path) -> GPTConfig:
    """The configuration of our GPT that gives the same logits; `path` is for the message.

    Raises CheckpointError, naming the field, where there is none.
    """
    refused = {
        "scale_attn_weights": not content.scale_attn_weights,
        "scale_attn_by_inverse_layer_idx": content.scale_attn_by_inverse_layer_idx,
        "add_cross_attention": content.add_cross_attention,
        "activation_function": content.activation_function not in _ACTIVATIONS,
        "layer_norm_epsilon": content.layer_norm_epsilon == 0,  # which here means another number
    }
    for field, wrong in refused.items():
        if wrong:
            raise CheckpointError(
                f"{path} has {field}={getattr(content, field)!r}, which our GPT does not compute"
                + (f": it has {', '.join(_ACTIVATIONS)}" if field == "activation_function" else "")
            )
    fixed: dict[str, Any] = {**_FIXED, **AFFINE}
    try:
        return GPTConfig(
            vocab_size=content.vocab_size,
            block_size=content.n_positions,
            n_layer=content.n_layer,
            n_head=content.n_head,
            n_embd=content.n_embd,
            mlp_width=content.n_inner or 0,
            activation=_ACTIVATIONS[content.activation_function],
            norm_eps=content.layer_norm_epsilon,
            dropout=content.resid_pdrop,
            tie_lm_head=content.tie_word_embeddings,
            init="gpt2",
            init_scale=content.initializer_range,
            zero_init_proj=False,
            **fixed,
        )
    except ConfigError as error:
        raise CheckpointError(f"{path} describes no model that can be built: {error}") from error


def their_config(config: GPTConfig) -> dict[str, Any]:
    """What config.json says of such a model. Raises ConfigError, naming the field, for what GPT-2 is not."""
    activations = {ours: theirs for theirs, ours in reversed(_ACTIVATIONS.items())}
    wrong = [(f, f"{f}={_word(ok)}") for f, ok in _FIXED.items() if getattr(config, f) != ok]
    wrong += [("n_kv_head", "as many as n_head")] if config.kv_heads != config.n_head else []
    wrong += (
        [("head_dim", f"n_embd / n_head = {config.n_embd / config.n_head:g}")]
        if config.attn_width != config.n_embd
        else []
    )
    wrong += [("activation", " or ".join(activations))] if config.activation not in activations else []
    wrong += [("norm_eps", "a number above 0")] if not config.norm_eps else []
    for field, needed in wrong:
        raise ConfigError(
            f"{field}={_word(getattr(config, field))} has no place in GPT-2's layout, which is for {needed}: "
            "write this model to a .safetensors or .json file"
        )
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": config.vocab_size,
        "n_positions": config.block_size,
        "n_embd": config.n_embd,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_inner": config.mlp_width or None,
        "activation_function": activations[config.activation],
        "layer_norm_epsilon": config.norm_eps,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": 0.0,
        "initializer_range": config.init_scale,
        "tie_word_embeddings": config.tie_lm_head,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
    }


def _is_linear(name: str) -> bool:
    return name.endswith((".qkv.weight", ".proj.weight", ".fc.weight"))


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
