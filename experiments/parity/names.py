"""Our weights in nanochat's names and order, in which they are compared.

Ours has q, k and v in one matrix, pairs of rope beside each other and turned by theta; theirs three matrices, the pairs
half a head apart, turned by -theta. So of a head their row i is our 2i + 1, and their row i + D / 2 our 2i. Tables of
the vocabulary are padded to a multiple of 64 there, and the numbers of all layers stand in one vector.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...models.gpt.upstream.config import UpstreamConfig

PADDED = 64
SCALARS = ("resid_lambdas", "x0_lambdas", "smear_lambda", "backout_lambda")
"""Vectors of a number a layer or one: Adam's first steps of them, and their gradients, hang on rounding most."""


def as_theirs(config: UpstreamConfig, ours: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights, gradients or changes of them, by upstream's names."""
    found = {
        "transformer.wte.weight": padded(ours["wte.weight"]),
        "lm_head.weight": padded(ours["lm_head.weight"]),
        "resid_lambdas": np.concatenate([ours[f"h.{i}.mix_x"] for i in range(config.n_layer)]),
        "x0_lambdas": np.concatenate([ours[f"h.{i}.mix_x0"] for i in range(config.n_layer)]),
    }
    if config.smear:
        found |= {"smear_gate.weight": ours["smear.gate.weight"], "smear_lambda": ours["smear.share"]}
    if config.backout:
        found["backout_lambda"] = ours["backout"]
    for i in range(config.n_layer):
        at, there = f"h.{i}.", f"transformer.h.{i}."
        q, k, v = np.split(ours[at + "attn.qkv.weight"], np.cumsum([config.attn_width, config.kv_width]))
        found[there + "attn.c_q.weight"], found[there + "attn.c_k.weight"] = (
            turned(x, config.head_size) for x in (q, k)
        )
        found[there + "attn.c_v.weight"] = v
        found[there + "attn.c_proj.weight"] = ours[at + "attn.proj.weight"]
        found[there + "mlp.c_fc.weight"] = ours[at + "mlp.fc.weight"]
        found[there + "mlp.c_proj.weight"] = ours[at + "mlp.proj.weight"]
        if config.embeds_values(i):
            found[there + "attn.ve_gate.weight"] = ours[at + "value_gate.weight"]
            found[f"value_embeds.{i}.weight"] = padded(ours[at + "value_embed.weight"])
    return found


def turned(rows: np.ndarray, head_size: int) -> np.ndarray:
    """The rows of q or k: those of second numbers of pairs, then those of first ones, head by head."""
    heads = rows.reshape(-1, head_size, rows.shape[-1])
    return np.concatenate([heads[:, 1::2], heads[:, 0::2]], axis=1).reshape(rows.shape)


def padded(table: np.ndarray) -> np.ndarray:
    """(V, C) -> (V rounded up to a multiple of 64, C), zeros below"""
    return np.pad(table, ((0, -len(table) % PADDED), (0, 0)))
