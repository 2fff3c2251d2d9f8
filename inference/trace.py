"""What a GPT does with one text: who attends to whom, how large the residual stream is, the best guess of each layer.

Walks the blocks with the model's own parts, so nothing is written twice and training pays nothing: what it computes
beside them, the weights of attention, is what `ops.attention` never forms. Its logits are the model's to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.tensor import Tensor, no_grad
from ..engine.tensor.ops.attention import visible
from ..errors import ConfigError, UsageError
from ..models.build import build_model
from ..models.gpt.config import GPTConfig
from .generate import on_few_threads


@dataclass(frozen=True)
class Trace:
    """Of T tokens in a model of L layers, H heads, C channels and V tokens."""

    ids: tuple[int, ...]
    logits: np.ndarray
    """(T, V), those of the model"""
    attention: np.ndarray
    """(L, H, T, T): how much of the value at s what is computed at t takes; a row sums to 1, and is 0 where s > t."""
    residual_norms: np.ndarray
    """(L + 1, T): root mean square over the C channels, before the first block and after each."""
    lens: np.ndarray
    """(L + 1, T, V): the logits, were the head to read there: the logit lens of nostalgebraist 2020"""


def trace(model: Any, config: Any, ids: Sequence[int]) -> Trace:
    """Walk a GPT of either spelling through ids (T,); a scalar one is computed in arrays of float64.

    Raises ConfigError for what has no blocks, UsageError for ids outside the vocabulary, none, or too many.
    """
    if not isinstance(config, GPTConfig):
        raise ConfigError("a bigram has no layer to look into: trace a GPT")
    if type(config) is not GPTConfig:
        raise ConfigError("what nanochat adds to a GPT is not followed block by block: trace a model of another kind")
    wrong = [i for i in ids if not 0 <= i < config.vocab_size]
    if wrong or not 0 < len(ids) <= config.block_size:
        what = f"id {wrong[0]} is no token of {config.vocab_size}" if wrong else f"{len(ids)} ids"
        raise UsageError(f"{what}: a trace takes 1 to {config.block_size} tokens of the model's vocabulary")
    model = model if getattr(model, "takes_arrays", False) else _in_arrays(model, config)
    with no_grad(), np.errstate(all="ignore"), on_few_threads(model, len(ids)):
        return _walk(model, np.array([ids]))


def _in_arrays(model: Any, config: GPTConfig) -> Any:
    """The scalar model's weights in the array spelling."""
    twin = build_model(config, "tensor", "float64")
    twin.load_state_dict(model.state_dict())
    return twin


def _walk(model: Any, ids: np.ndarray) -> Trace:
    """ids (1, T)"""
    model.dropout.training = False
    positions = np.arange(ids.shape[1])
    x = model.embed(ids, positions)  # (1, T, C)
    streams, weights = [x], []
    for block in model.h:
        read = block.norm_1(x) if block.pre else x
        q, k, _ = block.attn.heads(block.attn.qkv(read).data, positions)
        weights.append(attention_weights(q, k, block.attn.window, model.config.attn_scale)[0])
        x = block(x, positions, None, model.dropout, None)
        streams.append(x)
    lens = [model.capped(model.head(stream)).data[0] for stream in streams]
    return Trace(
        ids=tuple(ids[0].tolist()),
        logits=lens[-1],
        attention=np.array(weights),
        residual_norms=np.array([_rms(stream) for stream in streams]),
        lens=np.array(lens),
    )


def attention_weights(q: np.ndarray, k: np.ndarray, window: int = 0, scale: float = 1.0) -> np.ndarray:
    """softmax(scale q k^T / sqrt(D) + mask), whole: what multiplies v

    q (B, H, T, D), k (B, Hkv, T, D) -> (B, H, T, T)
    """
    (B, H, T, D), G = q.shape, k.shape[1]
    scores = q @ np.repeat(k, H // G, axis=1).swapaxes(-1, -2) * (scale / math.sqrt(D))
    scores = np.where(visible(B, T, T, window, None, None)[:, None], scores, -np.inf)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def _rms(stream: Tensor) -> np.ndarray:
    return np.sqrt(np.square(stream.data[0], dtype=np.float64).mean(-1))
