"""Laws of a model: nobody sees the future, a cache and neighbours change nothing, an evaluation repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...data.batches import IGNORED, Batch
from ...engine.tensor import functional as F
from ...engine.tensor import no_grad
from ...engine.tensor.tensor import Tensor
from ...inference.trace import trace
from ...models.base import Model, logits_array
from ...models.build import build_model
from ...models.gpt.config import GPTConfig


def in_arrays(model: Any) -> bool:
    """Whether it is the array spelling."""
    return bool(getattr(model, "takes_arrays", False))


def causality_error(model: Model, ids: Sequence[int]) -> float:
    """How far logits move when a later token is replaced, relative to the largest; 0 where nobody sees the future.

    ids (T,), T >= 2: each of up to four places is replaced in turn.
    """
    before, vocabulary, worst = logits_array(model, [ids])[0], model.config.vocab_size, 0.0
    for t in sorted({1, len(ids) // 3, 2 * len(ids) // 3, len(ids) - 1} - {0}):
        changed = [*ids[:t], (ids[t] + 1) % vocabulary, *ids[t + 1 :]]
        worst = max(worst, relative_error(logits_array(model, [changed])[0, :t], before[:t]))
    return worst


def cache_error(model: Model, ids: Sequence[int]) -> float:
    """How far logits read token by token with a cache lie from those read at once, relative to the largest.

    ids (T,); the first half is read at once, as a prompt is.
    """
    whole, cache = logits_array(model, [ids])[0], model.empty_cache()  # type: ignore[attr-defined]
    half = max(1, len(ids) // 2)
    parts = [logits_array(model, [part], cache)[0] for part in (ids[:half], *([i] for i in ids[half:]))]
    return relative_error(np.concatenate(parts), whole)


def row_error(model: Model, ids: np.ndarray) -> float:
    """How far the logits of a row move when it is read alone and not beside others       ids (B, T)"""
    together = logits_array(model, ids)
    return max(relative_error(logits_array(model, ids[b : b + 1])[0], together[b]) for b in range(len(ids)))


def padding_error(model: Model, ids: Sequence[int]) -> float:
    """How far the loss of a long row and a padded short one lies from the mean over their tokens, each read alone."""
    long, short = list(ids), list(ids[: max(2, len(ids) // 2)])
    rows = [(row[:-1], row[1:]) for row in (long, short)]
    n_padding = len(long) - len(short)
    inputs = np.array([rows[0][0], rows[1][0] + [0] * n_padding])
    targets = np.array([rows[0][1], rows[1][1] + [IGNORED] * n_padding])
    alone = [loss_of(model, Batch(np.array([x]), np.array([y]))) for x, y in rows]
    expected = np.average(alone, weights=[len(y) for _, y in rows])
    return abs(loss_of(model, Batch(inputs, targets)) - float(expected)) / max(1.0, abs(float(expected)))


def repeat_error(model: Model, ids: np.ndarray) -> float:
    """How far two evaluations of the same ids lie apart: 0 to the bit.       ids (B, T)"""
    return float(np.abs(logits_array(model, ids) - logits_array(model, ids)).max())


def attention_error(config: GPTConfig, seed: int = 0) -> float:
    """How far attention's output lies from the value v that every token has: its weights sum to 1."""
    T, D, rng = min(config.block_size, 16), config.head_size, np.random.default_rng(seed)
    qkv = rng.normal(size=(2, T, config.n_head + 2 * config.kv_heads, D))
    qkv[:, :, config.n_head + config.kv_heads :] = 1.0
    y = F.self_attention(
        Tensor(qkv.reshape(2, T, -1)),
        n_head=config.n_head,
        n_kv_head=config.kv_heads,
        positions=np.arange(T) if config.positions == "rope" else None,
        base=config.rope_base,
        qk_norm_eps=(config.norm_eps or 1e-5) if config.qk_norm else 0.0,
        window=config.window,
        scale=config.attn_scale,
    )
    return float(np.abs(y.data - 1).max())


def rotation_error(config: GPTConfig, seed: int = 0) -> float:
    """How far q_m . k_n of rotary positions moves when m and n move together, relative to |q| |k|"""
    rng, D = np.random.default_rng(seed), config.head_size
    model: Any = build_model(replace(config, n_layer=1, qk_norm=False), "tensor", "float64")
    q, k = rng.normal(size=(2, 1, 1, D))  # one token, said at every place
    row = np.concatenate([np.tile(q, (1, config.n_head)), np.tile(k, (1, 2 * config.kv_heads))], axis=-1)
    places = np.arange(0, min(config.block_size, 64))
    qkv = np.tile(row.reshape(1, 1, -1), (1, len(places), 1))
    queries, keys, _ = model.h[0].attn.heads(qkv, places)
    products = queries[0, 0] @ keys[0, 0].T  # (T, T): entry (m, n) may depend on m - n alone
    size = float(np.linalg.norm(q) * np.linalg.norm(k))
    return max(float(np.ptp(np.diagonal(products, -d))) for d in range(min(8, len(places)))) / size


def growth_of_stream(model: Any, ids: Sequence[int]) -> float:
    """Root mean square of the residual stream after the last block over that before the first       ids (T,)"""
    norms = sizes_over_depth(model, ids)
    return float(norms[-1] / norms[0]) if norms[0] else float("inf")


def sizes_over_depth(model: Any, ids: Sequence[int]) -> np.ndarray:
    """Root mean square of the residual stream, before the first block and after each       (L + 1,)"""
    return np.asarray(trace(model, model.config, ids).residual_norms.mean(-1))


def dropout_error(model: Any, n: int = 200_000) -> float:
    """How many standard errors the mean of dropped-out ones lies from 1, in training"""
    drop = model.dropout
    was, drop.training = drop.training, True
    try:
        with no_grad():
            kept = drop(Tensor(np.ones(n))).data
    finally:
        drop.training = was
    p = model.config.dropout
    return float(abs(kept.mean() - 1) / np.sqrt(p / (1 - p) / n))


def dead_share(model: Any, ids: np.ndarray) -> float:
    """Share of the MLP's hidden units that are 0 for every token       ids (B, T), array models"""
    alive: list[np.ndarray] = []
    with no_grad():
        x, places = model.embed(ids, np.arange(ids.shape[1])), np.arange(ids.shape[1])
        for block in model.h:
            grown = block(x, places, None, model.dropout, None)
            read = _what_the_mlp_reads(block, x, places, model.dropout)
            alive.append((block.mlp.activation(block.mlp.fc(read)).data != 0).any((0, 1)))
            x = grown
    return 1 - float(np.concatenate(alive).mean())


def _what_the_mlp_reads(block: Any, x: Any, places: np.ndarray, drop: Any) -> Any:
    if block.pre:
        return block.norm_2(x + drop(block.attn(block.norm_1(x), places, None, None)))
    return block.norm_1(x + drop(block.attn(x, places, None, None)))


def loss_of(model: Model, batch: Batch) -> float:
    """The training loss of a batch, as one number in nats a token."""
    with no_grad():
        return float(model.loss(*batch))


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """max|a - b| / max(1, max|b|); 0 of nothing, inf where something is not finite."""
    if not found.size:
        return 0.0
    error = float(np.abs(found - expected).max()) / max(1.0, float(np.abs(expected).max()))
    return error if np.isfinite(error) else float("inf")


def gradients_of(model: Any) -> Mapping[str, np.ndarray]:
    """The gradient of each parameter as an array, in either spelling."""
    return {name: _numbers(parameter, "grad") for name, parameter in model.named_parameters()}


def weights_of(model: Any) -> Mapping[str, np.ndarray]:
    """A copy of each parameter as an array, in either spelling."""
    return {name: np.array(weight) for name, weight in model.state_dict().items()}


def _numbers(parameter: Any, field: str) -> np.ndarray:
    if isinstance(parameter, (list, tuple)):
        return np.array([_numbers(item, field) for item in parameter])
    return np.array(getattr(parameter, field))
