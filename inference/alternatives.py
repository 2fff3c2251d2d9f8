"""A text token by token, each beside what might have stood in its place: how sure the model was, and of what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..tokenizers.base import Tokenizer
from .generate import IsOver
from .samplers import largest, log_softmax


@dataclass(frozen=True)
class Candidate:
    """A token and its probability in the model itself: temperature 1, no filter, no penalty."""

    id: int
    text: str
    p: float


@dataclass(frozen=True)
class Choice:
    """The token that was drawn, and the likeliest in its place, itself often among them."""

    drawn: Candidate
    likeliest: tuple[Candidate, ...]


def choices(
    tokenizer: Tokenizer,
    steps: Iterable[tuple[int, np.ndarray]],
    *,
    n: int,
    banned: Sequence[int] = (),
    is_over: IsOver | None = None,
) -> Iterator[Choice]:
    """Each of `steps` (see `draw_steps`) beside the `n` likeliest tokens, up to the one after which `is_over`."""
    new_ids: list[int] = []
    for token, logits in steps:
        p = np.exp(log_softmax(logits, banned=banned))
        made = [Candidate(id_, token_name(tokenizer, id_), float(p[id_])) for id_ in [token, *largest(p, n).tolist()]]
        yield Choice(made[0], tuple(made[1:]))
        new_ids.append(token)
        if is_over and is_over(new_ids):
            return


def token_name(tokenizer: Tokenizer, id_: int) -> str:
    """What one id reads alone; a special token by its name, a part of a character as U+FFFD."""
    names: dict[str, int] = getattr(tokenizer, "special_ids", {})
    for name, special_id in names.items():
        if special_id == id_:
            return name
    return "<|bos|>" if id_ == tokenizer.bos_id else tokenizer.decode([id_])
