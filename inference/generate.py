"""Autoregressive generation: ask for the next token, append it, ask again. Knows no tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..models.build import logits_array
from .samplers import sample_token


def generate(
    model: Any,
    prompt_ids: Sequence[int],
    *,
    context: int,
    max_new_tokens: int,
    temperature: float,
    rng: np.random.Generator,
    stop_id: int | None = None,
    banned: tuple[int, ...] = (),
) -> Iterator[int]:
    """Yield new token ids until `stop_id` is drawn (it is not yielded) or `max_new_tokens` are out.

    While the text fits in `context` tokens, keys and values are cached and each token costs one step of the model.
    After that the window slides: the model reads the last `context` tokens anew for each token, since all
    of their positions have changed.
    """
    ids = list(prompt_ids)
    if not ids:
        raise ValueError("generation starts from at least one token: give the BOS id")
    cache = None
    for _ in range(max_new_tokens):
        if cache is None or len(ids) > context:
            cache, unread = _new_cache(model), ids[-context:]
        else:
            unread = ids[-1:]
        logits = logits_array(model, [unread], cache)[0, -1]
        token = sample_token(logits, temperature=temperature, rng=rng, banned=banned)
        if token == stop_id:
            return
        yield token
        ids.append(token)


def _new_cache(model: Any) -> Any:
    return model.empty_cache() if hasattr(model, "empty_cache") else None
