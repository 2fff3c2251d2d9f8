"""Autoregressive generation: ask for the next token, append it, ask again; for one text or for many at once.

Knows no tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
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


def generate_batch(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    context: int,
    max_new_tokens: int,
    temperature: float,
    rngs: Sequence[np.random.Generator],
    stop_id: int | None = None,
    banned: tuple[int, ...] = (),
) -> list[list[int]]:
    """For each prompt the new ids that `generate` yields with the generator of the same place, up to rounding.

    An array model reads and continues all texts together while they fit in `context`, each until it ends; what is
    longer, and texts of other models, come one after the other.
    """
    if len(prompts) != len(rngs):
        raise ValueError(f"{len(prompts)} prompts and {len(rngs)} generators: give one for each prompt")
    texts = [_Text(list(prompt), rng, max_new_tokens) for prompt, rng in zip(prompts, rngs, strict=True)]

    def extend(text: _Text, logits: np.ndarray) -> None:
        token = sample_token(logits, temperature=temperature, rng=text.rng, banned=banned)
        text.n_left = 0 if token == stop_id else text.n_left - 1
        if token != stop_id:
            text.new.append(token)

    if getattr(model, "takes_arrays", False) and hasattr(model, "empty_cache"):
        _extend_together(
            model, [text for text in texts if text.n_left and 0 < len(text.prompt) <= context], context, extend
        )
    for text in texts:
        text.new += generate(
            model,
            text.ids,
            context=context,
            max_new_tokens=text.n_left,
            temperature=temperature,
            rng=text.rng,
            stop_id=stop_id,
            banned=banned,
        )
    return [text.new for text in texts]


@dataclass(eq=False)
class _Text:
    """A row of a batch: what it began with, what was added, and how many tokens may still come."""

    prompt: list[int]
    rng: np.random.Generator
    n_left: int
    new: list[int] = field(default_factory=list)

    @property
    def ids(self) -> list[int]:
        return self.prompt + self.new


def _extend_together(model: Any, texts: list[_Text], context: int, extend: Callable[[_Text, np.ndarray], None]) -> None:
    """Read all prompts at once, then a token of each text at a time, until each has ended or outgrown the context."""
    if not texts:
        return
    cache = model.empty_cache(len(texts))
    lengths = np.array([len(text.prompt) for text in texts])
    prompts = np.zeros((len(texts), lengths.max()), dtype=np.int64)  # what fills a row up comes after all it looks at
    for row, text in zip(prompts, texts, strict=True):
        row[: len(text.prompt)] = text.prompt
    logits = logits_array(model, prompts, cache)[np.arange(len(texts)), lengths - 1]  # (B, V)
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
        logits = logits_array(model, [[text.new[-1]] for text in texts], cache)[:, -1]  # (B, V)


def _new_cache(model: Any) -> Any:
    return model.empty_cache() if hasattr(model, "empty_cache") else None
