"""nanochat's groups of parameters, as data: which names, which rate beside that of Muon, which decay.

Rates are those of scripts/base_train.py over its matrix_lr of 0.02, at 768 channels; those that depend on the width go
with (n_embd / 768)^(-1/2). Ours has q, k and v in one matrix: `parts_of` takes it apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...engine.tensor.grouped import Group, MuonRules
from ..hyperparameters import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The groups of one commit, and what its Muon does that no setting says."""

    by_width: tuple[Group, ...]
    """Rates at 768 channels."""
    others: tuple[Group, ...]
    safety: float
    beta2: float


_FALLBACK = (
    Group(pattern="*norm*", rate=0.25, betas=(0.8, 0.95)),
    Group(pattern="*.bias", rate=0.25, betas=(0.8, 0.95)),
)
"""Gains, biases and the alpha of DyT, of which nanochat has none: as gently as the scalars of its stream."""
RECIPES: Mapping[str, Recipe] = {
    "nanochat": Recipe(
        by_width=(
            Group(pattern="lm_head.weight", rate=0.4, betas=(0.8, 0.96), weight_decay=0.01),
            Group(pattern="w[tp]e.weight", rate=15.0, betas=(0.8, 0.995), weight_decay=0.001),
            Group(pattern="h.*.value_embed.weight", rate=7.5, betas=(0.8, 0.995), weight_decay=0.01),
        ),
        others=(
            Group(pattern="h.*.mix_x", rate=0.25, betas=(0.8, 0.95), weight_decay=0.05),
            Group(pattern="h.*.mix_x0", rate=25.0, betas=(0.96, 0.95)),
            Group(pattern="smear.*", rate=0.2, fixed=True, betas=(0.8, 0.95)),
            Group(pattern="backout", rate=0.2, fixed=True, betas=(0.8, 0.95)),
            *_FALLBACK,
        ),
        safety=1.01,
        beta2=0.9,
    ),
    "nanochat-2026-02": Recipe(
        by_width=(
            Group(pattern="lm_head.weight", rate=0.2, betas=(0.8, 0.95)),
            Group(pattern="w[tp]e.weight", rate=15.0, betas=(0.8, 0.95)),
            Group(pattern="h.*.value_embed.weight", rate=15.0, betas=(0.8, 0.95)),
        ),
        others=(
            Group(pattern="h.*.mix_x", rate=0.25, betas=(0.8, 0.95)),
            Group(pattern="h.*.mix_x0", rate=25.0, betas=(0.96, 0.95)),
            Group(pattern="smear.*", rate=0.2, fixed=True, betas=(0.8, 0.95)),
            Group(pattern="backout", rate=0.2, fixed=True, betas=(0.8, 0.95)),
            *_FALLBACK,
        ),
        safety=1.02,
        beta2=0.95,
    ),
}
"""optimizer -> what it is: that of 2026-07 (92d63d4), and that of 2026-02 (2f09686)."""


def options_of(settings: TrainingConfig, model: Any) -> dict[str, Any]:
    """What GroupedMuon is made with for this model       `model` is a configuration."""
    recipe, width = RECIPES[settings.optimizer], getattr(model, "n_embd", model.vocab_size)
    scale = math.sqrt(768 / width)
    return {
        "groups": (*(replace(group, rate=group.rate * scale) for group in recipe.by_width), *recipe.others),
        "rules": MuonRules(
            polar_express=settings.polar_express,
            safety=recipe.safety,
            equalize_rows=settings.muon_eq,
            renormalize=settings.muon_plus,
            variance=settings.nor_muon,
            beta2=recipe.beta2,
            cautious=settings.cautious_decay,
        ),
        "parts": parts_of(model) if settings.split_qkv else {},
        "base_lr": settings.lr,
        "momentum": settings.momentum,
    }


def parts_of(model: Any) -> dict[str, tuple[int, ...]]:
    """The rows of q, k and v in the weight that holds them; nothing of a bigram."""
    if not hasattr(model, "attn_width"):
        return {}
    kv = model.kv_heads * model.head_size
    return {"*.attn.qkv.weight": (model.attn_width, kv, kv)}
