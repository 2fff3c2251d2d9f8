"""Autoregressive generation: ask for the next token, append it, ask again; for one text or for many at once.

Knows no tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import Any

import numpy as np

from ..machine import one_blas_thread
from ..models.base import ModelConfig, Predictor, logits_array
from ..models.parameters import count_parameters
from .samplers import Sampling, check_whole, sample_token

IsOver = Callable[[Sequence[int]], bool]
"""Whether these new ids of a text are enough."""


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


def generate_batch(
    model: Predictor,
    prompts: Sequence[Sequence[int]],
    *,
    context: int,
    max_new_tokens: int,
    sampling: Sampling,
    rngs: Sequence[np.random.Generator],
    stop_ids: Collection[int] = (),
    banned: tuple[int, ...] = (),
    are_over: Sequence[IsOver | None] | None = None,
) -> list[list[int]]:
    """For each prompt the new ids that `generate` yields with the generator of the same place, up to rounding.

    An array model reads and continues all texts together while they fit in `context`, each until it ends; what is
    longer, and texts of other models, come one after the other. A text ends too when its place in `are_over` says so
    of its new ids.
    """
    check_whole("max_new_tokens", max_new_tokens)
    if len(prompts) != len(rngs):
        raise ValueError(f"{len(prompts)} prompts and {len(rngs)} generators: give one for each prompt")
    texts = [
        _Text(list(prompt), set(prompt).difference(stop_ids), len(prompt), rng, max_new_tokens, is_over)
        for prompt, rng, is_over in zip(prompts, rngs, are_over or repeat(None, len(prompts)), strict=True)
    ]

    def extend(text: _Text, logits: np.ndarray) -> None:
        token = sample_token(logits, sampling, text.rng, banned=banned, seen=text.seen)
        if token in stop_ids:
            text.n_left = 0
        else:
            text.add(token)

    if getattr(model, "takes_arrays", False) and hasattr(model, "empty_cache"):
        _extend_together(
            model, [text for text in texts if text.n_left and 0 < text.n_prompt <= context], context, extend
        )
    for text in texts:
        rest = generate(
            model,
            text.ids,
            context=context,
            max_new_tokens=text.n_left,
            sampling=sampling,
            rng=text.rng,
            stop_ids=stop_ids,
            banned=banned,
        )
        for token in rest:
            text.add(token)
            if not text.n_left:
                break
    return [text.new for text in texts]


@dataclass(eq=False)
class _Text:
    """A row of a batch: its ids, each of them that is penalised once, how many it began with, how many may come."""

    ids: list[int]
    seen: set[int]
    n_prompt: int
    rng: np.random.Generator
    n_left: int
    is_over: IsOver | None

    @property
    def new(self) -> list[int]:
        return self.ids[self.n_prompt :]

    def add(self, token: int) -> None:
        self.ids.append(token)
        self.seen.add(token)
        self.n_left = 0 if self.is_over and self.is_over(self.new) else self.n_left - 1


def _extend_together(model: Any, texts: list[_Text], context: int, extend: Callable[[_Text, np.ndarray], None]) -> None:
    """Read all prompts at once, then a token of each text at a time, until each has ended or outgrown the context."""
    if not texts:
        return
    cache = model.empty_cache(len(texts))
    lengths = np.array([text.n_prompt for text in texts])
    prompts = np.zeros((len(texts), lengths.max()), dtype=np.int64)  # what fills a row up comes after all it looks at
    for row, text in zip(prompts, texts, strict=True):
        row[: text.n_prompt] = text.ids
    logits = read_logits(model, prompts, cache)[np.arange(len(texts)), lengths - 1]  # (B, V)
    cache.set_lengths(lengths)
    while True:
        for text, row in zip(texts, logits, strict=True):
            extend(text, row)
        staying = [i for i, text in enumerate(texts) if text.n_left and len(text.ids) <= context]
        if not staying:
            return
        if len(staying) < len(texts):
            texts = [texts[i] for i in staying]
            cache.keep(staying)
        logits = read_logits(model, [[text.ids[-1]] for text in texts], cache)[:, -1]  # (B, V)


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
