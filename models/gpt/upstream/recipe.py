"""The model and recipe that karpathy/nanochat derives from a depth, as its scripts/base_train.py works them out.

Sizes for a CPU as in its runs/runcpu.sh: heads of 64 channels, contexts of 512 tokens, full attention. Counts that
scale batch and decay are those of a character vocabulary, since a preset knows no text.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from ...parameters import count_parameters
from .config import FEBRUARY, UpstreamConfig

_NAME = re.compile(r"upstream-d([1-9]\d?)(-pin)?")
_ASPECT, _HEAD, _CONTEXT, _ROWS = 64, 64, 512, 8
"""Channels a layer, channels a head, tokens a row, rows of a micro-batch."""
_REFERENCE_DEPTH, _REFERENCE_BATCH = 12, 2**19
"""The depth that upstream tunes at, and the tokens of a batch that suit it."""


@dataclass(frozen=True, kw_only=True)
class Edition:
    """What differs between the two commits that we follow."""

    commit: str
    date: str
    model: dict[str, Any]
    """Fields of UpstreamConfig."""
    training: dict[str, Any]
    """Fields of TrainingConfig that do not depend on the depth."""
    tokens_per_parameter: float
    weight_decay: float
    """At the reference."""


_SHARED: dict[str, Any] = {
    "positions": "rope",
    "qk_norm": True,
    "norm_eps": 0.0,
    "final_norm": True,
    "input_rmsnorm": True,
    "tie_lm_head": False,
    "logit_softcap": 15.0,
    "value_embed": True,
    "residual_mix": True,
}
JULY = Edition(
    commit="92d63d4",
    date="2026-07-03",
    model=_SHARED | {"rope_base": 1e5, "attn_scale": 1.44, "smear": True, "backout": True},
    training={
        "optimizer": "nanochat",
        "momentum": 0.97,
        "momentum_schedule": "rise-fall",
        "weight_decay_schedule": "cosine",
        "warmup": 40,
        "warmdown": 0.65,
        "min_lr_ratio": 0.05,
    },
    tokens_per_parameter=12,
    weight_decay=0.28,
)
PINNED = Edition(
    commit="2f09686",
    date="2026-02-10",
    model=_SHARED | {"init": FEBRUARY, "value_gate_channels": 32, "value_gate_range": 2.0},
    training={
        "optimizer": FEBRUARY,
        "muon_eq": False,
        "muon_plus": False,
        "momentum": 0.95,
        "momentum_schedule": "rise",
        "weight_decay_schedule": "linear",
        "warmdown": 0.5,
        "min_lr_ratio": 0.0,
    },
    tokens_per_parameter=10.5,
    weight_decay=0.2,
)


def edition_of(name: str) -> tuple[int, Edition] | None:
    """Depth and commit that `upstream-dN` (July) or `upstream-dN-pin` (February) names; None for another name."""
    found = _NAME.fullmatch(name)
    return (int(found[1]), PINNED if found[2] else JULY) if found else None


def upstream_model(depth: int, edition: Edition = JULY, **changed: Any) -> UpstreamConfig:
    """64 channels a layer in heads of 64, tokens of 66 characters."""
    width = -(-depth * _ASPECT // _HEAD) * _HEAD
    return UpstreamConfig(
        **{"vocab_size": 66, "block_size": _CONTEXT, "n_layer": depth, "n_head": width // _HEAD, "n_embd": width}
        | edition.model
        | changed
    )


def scaling_parameters(model: UpstreamConfig) -> int:
    """Matrices of blocks and the head: what upstream's horizon is a multiple of."""
    table = {
        name: parameter
        for name, parameter in model.parameters().items()
        if name == "lm_head.weight" or (len(parameter.shape) == 2 and name.startswith("h.") and "_embed" not in name)
    }
    return count_parameters(table)


def upstream_training(depth: int, edition: Edition = JULY) -> dict[str, Any]:
    """Batch, rate, decay and horizon of that depth, and what does not depend on it.

    The batch grows with the horizon D to the power 0.383 (Bergsma et al. 2025, arXiv:2505.13738), the rate with the
    root of the batch B, the decay with sqrt(B) / D (Wang and Aitchison 2024, arXiv:2405.13698).
    """
    model, ratio = upstream_model(depth, edition), edition.tokens_per_parameter
    horizon = int(ratio * scaling_parameters(model))
    reference = ratio * scaling_parameters(upstream_model(_REFERENCE_DEPTH, edition))
    batch = 2 ** round(math.log2(_REFERENCE_BATCH * (horizon / reference) ** 0.383))
    root = math.sqrt(batch / _REFERENCE_BATCH)
    return {
        "lr_schedule": "wsd",
        "lr": 0.02 * root,
        "weight_decay": edition.weight_decay * root * reference / horizon,
        "max_grad_norm": 0.0,
        "batch_size": _ROWS,
        "grad_accum": batch // (_ROWS * model.block_size),
        "steps": horizon // batch,
        "replicas": 0,
        "eval_every": 250,
    } | edition.training
