"""Autoregressive generation: ask for the next token, append it, ask again.

Knows no tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import numpy as np

from ..machine import one_blas_thread
from ..models.base import ModelConfig, Predictor, logits_array
from ..models.parameters import count_parameters
from .samplers import Sampling, check_whole, sample_token

IsOver = Callable[[Sequence[int]], bool]
"""Whether these new ids of a text are enough, for whoever draws or searches."""


def generate(
    model: Predictor,
    prompt_ids: Sequence[int],
    *,
    context: int,
    max_new_tokens: int,
    sampling: Sampling,
    rng: np.random.Generator,
    stop_ids: Collection[int] = (),
    banned: tuple[int, ...] = (),
) -> Iterator[int]:
    """Yield new token ids until one of `stop_ids` is drawn (it is not yielded) or `max_new_tokens` are out.

    While the text fits in `context` tokens, keys and values are cached and each token costs one step of the model.
    After that the window slides: the model reads the last `context` tokens anew for each token, since all
    of their positions have changed. The repetition penalty is for all tokens of prompt and text but `stop_ids`.
    """
    steps = draw_steps(
        model,
        prompt_ids,
        context=context,
        max_new_tokens=max_new_tokens,
        sampling=sampling,
        rng=rng,
        stop_ids=stop_ids,
        banned=banned,
    )
    for token, _ in steps:
        if token in stop_ids:
            return
        yield token


def draw_steps(
    model: Predictor,
    prompt_ids: Sequence[int],
    *,
    context: int,
    max_new_tokens: int,
    sampling: Sampling,
    rng: np.random.Generator,
    stop_ids: Collection[int] = (),
    banned: tuple[int, ...] = (),
) -> Iterator[tuple[int, np.ndarray]]:
    """What `generate` does step by step: each id with the logits (V,) it was drawn from, a stop id last included."""
    check_whole("max_new_tokens", max_new_tokens)
    ids = list(prompt_ids)
    if not ids:
        raise ValueError("generation starts from at least one token: give the BOS id")
    cache, seen = None, set(ids).difference(stop_ids)  # what ends a text is not penalised for having stood in it
    for _ in range(max_new_tokens):
        if len(ids) > context:
            cache, unread = None, ids[-context:]  # nothing of it will be read again
        elif cache is None:
            cache, unread = _new_cache(model), ids
        else:
            unread = ids[-1:]
        logits = read_logits(model, [unread], cache)[0, -1]
        token = sample_token(logits, sampling, rng, banned=banned, seen=seen)
        yield token, logits
        if token in stop_ids:
            return
        ids.append(token)
        seen.add(token)


def _new_cache(model: Predictor) -> Any:
    return model.empty_cache() if hasattr(model, "empty_cache") else None


SMALL = 100_000_000
"""Tokens times weights of a step that one thread does by itself: some 3 ms."""


def read_logits(model: Predictor, ids: Sequence[Sequence[int]] | np.ndarray, memory: Any = None) -> np.ndarray:
    """`logits_array`, which see       (B, T) -> (B, T, V)"""
    with on_few_threads(model, sum(map(len, ids))):
        return logits_array(model, ids, memory)


def on_few_threads(model: Predictor, n_tokens: int) -> AbstractContextManager[None]:
    """One BLAS thread where an array model reads so few tokens that others would only wait."""
    config = getattr(model, "config", None)
    if not getattr(model, "takes_arrays", False) or config is None or n_tokens * _n_weights(config) > SMALL:
        return nullcontext()
    return one_blas_thread()


@cache
def _n_weights(config: ModelConfig) -> int:
    return count_parameters(config.parameters())
