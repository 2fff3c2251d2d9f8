"""What a GPT does with one text: who attends to whom, how large the residual stream is, the best guess of each layer.

Walks the blocks with the model's own parts, so nothing is written twice, training pays nothing, and a fault of the
model is a fault of the trace. Its logits are the model's to the bit. The weights of attention, which attention never
forms, are what it makes of values that are the rows of an identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.tensor import Tensor, no_grad
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
    """(L, H, T, T): how much of the value at s what is computed at t takes; a row sums to 1, and is 0 where s > t, of a
    model that is sound."""
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
        weights.append(attention_weights(block.attn, block.attn.qkv(read), positions))
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


def attention_weights(attention: Any, qkv: Tensor, positions: np.ndarray) -> np.ndarray:
    """What multiplies v, asked of attention itself: its output is P v, and with the identity as v that is P

    qkv (1, T, (H + 2 Hkv) D) -> (H, T, T), D columns of P at a time: v has no more.
    """
    config, T = attention.config, qkv.shape[1]
    (H, D), kv = (config.n_head, config.head_size), config.kv_heads * config.head_size
    probe, found = qkv.data.copy(), np.empty((H, T, T), qkv.dtype)
    for first in range(0, T, D):
        columns = np.eye(T, D, -first, qkv.dtype)  # (T, D): row s is 1 in column s - first
        probe[0, :, -kv:] = np.tile(columns, config.kv_heads)
        seen = attention.attend(Tensor(probe), positions, None).data.reshape(T, H, D)
        found[:, :, first : first + D] = seen.swapaxes(0, 1)[:, :, : T - first]
    return found


def _rms(stream: Tensor) -> np.ndarray:
    return np.sqrt(np.square(stream.data[0], dtype=np.float64).mean(-1))
