"""Texts that are continued together, a token of each a step; they join and leave between steps. Knows no thread.

Whoever else is in the batch changes no bit of a text: a prompt is read alone, and a step is either the steady decoder's
(models/gpt/decode.py), for all rows at once, or the model's own, a row at a time.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ..errors import NanochatError
from ..machine import one_blas_thread
from ..models.base import Predictor, logits_array
from .continuation import Continuation


class Batch:
    """The texts that are being continued, and what the model remembers of them."""

    def __init__(self, model: Predictor) -> None:
        self.model = model
        self.decoder = _steady_decoder(model)
        self.live: list[Continuation] = []
        self._cache: Any = None
        """Of the decoder: row i is of live[i]."""

    @property
    def kind(self) -> Literal["fused", "general"]:
        """Who reads: the decoder for all rows at once, or the model for one after the other."""
        return "general" if self.decoder is None else "fused"

    def join(self, text: Continuation) -> None:
        """Read the prompt, draw the first token, and go on with it where it does not end at once."""
        logits, cache = self.read(_readable(text))
        if not _extended(text, logits):
            return
        self.live.append(text)
        if self.decoder is None:
            text.memory = cache
        elif self._cache is None:
            self._cache = cache
        else:
            self._cache.join(cache)

    def read(self, ids: list[int]) -> tuple[np.ndarray, Any]:
        """Logits (V,) of what follows a prompt, which is read alone, and what is remembered of it."""
        reader = self.decoder or self.model
        cache = reader.empty_cache() if hasattr(reader, "empty_cache") else None
        with one_blas_thread():  # the bits of a product depend on how many there are
            return logits_array(reader, [ids], cache)[0, -1], cache

    def step(self) -> None:
        """One more token of each text; who has ended leaves."""
        for text, logits in zip(list(self.live), self._read(), strict=True):
            if not _extended(text, logits):
                self.leave(text)

    def leave(self, text: Continuation) -> None:
        """Forget a text and what was remembered of it."""
        place, last = self.live.index(text), self.live.pop()
        if last is not text:
            self.live[place] = last  # as rows of the cache do
        text.memory = None
        if self._cache is not None:
            self._cache.leave(place)
            self._cache = self._cache if self.live else None

    def _read(self) -> list[np.ndarray]:
        """Logits (V,) of each text."""
        with one_blas_thread():
            if self.decoder is not None:
                last = np.array([[text.ids[-1]] for text in self.live])
                return list(logits_array(self.decoder, last, self._cache)[:, -1])
            unread = [_readable(text) if text.memory is None else text.ids[-1:] for text in self.live]
            return [
                logits_array(self.model, [ids], text.memory)[0, -1] for ids, text in zip(unread, self.live, strict=True)
            ]


def _readable(text: Continuation) -> list[int]:
    return text.ids[-text.ask.context :]


def _extended(text: Continuation, logits: np.ndarray) -> bool:
    """Whether it goes on. What cannot be drawn ends one text and no other."""
    try:
        text.extend(logits)
    except NanochatError as error:
        text.end("error", error)
    return not text.finish


def _steady_decoder(model: Predictor) -> Any:
    """The decoder whose rows do not depend on each other, where there is one and this machine keeps that promise."""
    if not getattr(model, "takes_arrays", False):
        return None
    from ..models.gpt.decode import Decoder, can_decode

    if not can_decode(model):
        return None
    decoder = Decoder(model, steady=True)  # type: ignore[arg-type]  # a GPT in arrays
    return decoder if is_steady(decoder) else None


def is_steady(decoder: Any, n_rows: int = 8) -> bool:
    """Whether random texts of different length get, together, the logits that they get alone, bit for bit."""
    config, rng = decoder.config, np.random.default_rng(0)
    longest = min(config.block_size - 2, 70)
    if longest < 1:
        return True  # no text has a second step
    prompts = [rng.integers(config.vocab_size, size=(1, 1 + i * longest // n_rows)) for i in range(n_rows)]
    following = rng.integers(config.vocab_size, size=(n_rows, 1))
    together: Any = None
    alone = []
    with one_blas_thread():
        for prompt, next_id in zip(prompts, following, strict=True):
            for is_alone in (True, False):
                cache = decoder.empty_cache()
                decoder.predict(prompt, cache)
                if is_alone:
                    alone.append(decoder.predict(next_id[None], cache)[0])
                elif together is None:
                    together = cache
                else:
                    together.join(cache)
        return bool((decoder.predict(following, together) == np.array(alone)).all())
