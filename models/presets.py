"""Named starting points: an architecture, the mode it is meant for, and a recipe that learns, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigError
from ..validation import nearest
from .base import Mode, ModelConfig, ModelKind
from .bigram.config import BigramConfig
from .gpt.config import GPTConfig
from .gpt.upstream.recipe import JULY, Edition, edition_of, upstream_model, upstream_training


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A model configuration, and the settings of training and data that differ from their defaults."""

    model: ModelConfig
    model_kind: ModelKind
    mode: Mode
    source: str
    """Where architecture and recipe come from."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Fields of TrainingConfig."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """Fields of DataConfig: what the architecture was made to read."""


_NANOGPT: dict[str, Any] = {
    "replicas": 0,
    "beta2": 0.99,
    "weight_decay": 0.1,
    "lr_schedule": "cosine",
    "warmup": 100,
    "eval_every": 500,
    "eval_tokens": 0,
}
"""What both nanoGPT presets take from config/train_shakespeare_char.py."""


def _upstream(depth: int, edition: Edition) -> Preset:
    """Of a depth, as karpathy/nanochat derives it at that commit."""
    return Preset(
        model=upstream_model(depth, edition),
        model_kind="upstream",
        mode="tensor",
        source=f"karpathy/nanochat at {edition.commit} ({edition.date}) of depth {depth}; upstream-dN is of depth N",
        training=upstream_training(depth, edition),
    )


PRESETS: dict[str, Preset] = {
    "bigram": Preset(
        model=BigramConfig(tie_lm_head=False),  # E E^T is symmetric, text is not: a tied bigram cannot reach the counts
        model_kind="bigram",
        mode="scalar",
        source="the scalar bigram of nanochat-rs-next, here with an untied head and on 16 pairs a step",
        training={"lr": 0.03},
    ),
    "mini-gpt": Preset(
        model=GPTConfig(),
        model_kind="mini-gpt",
        mode="scalar",
        source="the scalar mini-GPT of nanochat-rs-next",
        training={"lr": 0.01},
    ),
    "microgpt": Preset(
        model=GPTConfig(block_size=16, input_rmsnorm=True, activation="relu", tie_lm_head=False),
        model_kind="gpt",
        mode="scalar",
        source="Karpathy's microgpt (2026), with the first weights of the mini-GPT",
        training={"lr": 0.01},
    ),
    "rustgpt": Preset(
        model=GPTConfig(
            vocab_size=533,
            block_size=80,
            n_layer=3,
            n_head=8,
            n_embd=128,
            mlp_width=256,
            norm="layer",
            norm_position="post",
            norm_gain=True,
            norm_bias=True,
            activation="relu",
            mlp_bias=True,
            head_bias=True,
            tie_lm_head=False,
            init="he",
            zero_init_proj=False,
        ),
        model_kind="gpt",
        mode="tensor",
        source="RustGPT at 98aeb4e (2025), with the 8 heads and output projection that its requirements ask for",
        training={
            "epochs": 100.0,
            "lr": 5e-4,
            "batch_size": 16,
            "replicas": 0,
            "weight_decay": 0.0,
            "eval_tokens": 16384,
        },
        data={"source": "builtin:facts", "tokenizer": "word"},
    ),
    "nanogpt-cpu": Preset(
        model=GPTConfig(
            vocab_size=66,
            block_size=64,
            n_layer=4,
            n_head=4,
            n_embd=128,
            norm="layer",
            norm_gain=True,
            final_norm=True,
            activation="gelu",
            init="gpt2",
            zero_init_proj=False,
        ),
        model_kind="gpt",
        mode="tensor",
        source="nanoGPT's train_shakespeare_char for a laptop (readme, 2023); rate by our sweep (docs/log.md)",
        training=_NANOGPT | {"batch_size": 12, "steps": 2000, "lr": 3e-3},
    ),
    "nanogpt-char": Preset(
        model=GPTConfig(
            vocab_size=66,
            block_size=256,
            n_layer=6,
            n_head=6,
            n_embd=384,
            norm="layer",
            norm_gain=True,
            final_norm=True,
            activation="gelu",
            dropout=0.2,
            init="gpt2",
            zero_init_proj=False,
        ),
        model_kind="gpt",
        mode="tensor",
        source="nanoGPT's train_shakespeare_char for a GPU (2023); 8 rows a step instead of 64",
        training=_NANOGPT | {"batch_size": 8, "steps": 5000, "lr": 1e-3},
    ),
    "nanochat-tiny": Preset(
        model=GPTConfig(
            vocab_size=66,
            block_size=128,
            n_layer=4,
            n_head=4,
            n_embd=128,
            positions="rope",
            qk_norm=True,
            final_norm=True,
            input_rmsnorm=True,
            tie_lm_head=False,
            logit_softcap=15.0,
            init="normal",
        ),
        model_kind="gpt",
        mode="tensor",
        source="Karpathy's nanochat (2025): rope, QK norm, ReLU squared, norms without gain, untied head, Muon",
        training={
            "optimizer": "muon",
            "momentum": 0.95,
            "lr": 3e-3,
            "batch_size": 8,
            "replicas": 0,
            "steps": 2000,
            "eval_every": 500,
            "eval_tokens": 16384,
        },
    ),
    "nanochat-words": Preset(
        model=GPTConfig(
            vocab_size=2048,
            block_size=128,
            n_layer=2,
            n_head=4,
            n_embd=128,
            positions="rope",
            norm_gain=True,
            final_norm=True,
            tie_lm_head=True,
            dropout=0.1,
            init="gpt2",
            zero_init_proj=False,
        ),
        model_kind="gpt",
        mode="tensor",
        source="nanochat-tiny, two layers of it, with AdamW and dropout: settings by our trials on facts (docs/log.md)",
        training={
            "beta2": 0.99,
            "weight_decay": 0.1,
            "lr": 3e-3,
            "lr_schedule": "cosine",
            "warmup": 50,
            "min_lr_ratio": 0.02,
            "batch_size": 8,
            "replicas": 0,
            "steps": 1000,
            "eval_every": 250,
            "eval_tokens": 16384,
        },
        data={"tokenizer": "word", "packing": "isolated"},
    ),
    "upstream-d2": _upstream(2, JULY),
}


def is_preset(name: str) -> bool:
    """Whether `get_preset` has it: one of PRESETS, or nanochat's model of any depth, upstream-dN or upstream-dN-pin."""
    return name in PRESETS or edition_of(name) is not None


def get_preset(name: str) -> Preset:
    """The preset of that name. Raises ConfigError with the nearest name."""
    if name in PRESETS:
        return PRESETS[name]
    if found := edition_of(name):
        return _upstream(*found)
    raise ConfigError(f"there is no preset {name!r}: {nearest(name, PRESETS)}")
