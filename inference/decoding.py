"""Who reads the tokens of a text: the decoder that is built for the architecture, or the model itself.

This is the one place where it is chosen. A chat's reader remembers beyond a text what was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Literal

import numpy as np

from ..models.base import Predictor


def decoder_of(model: Predictor) -> Predictor:
    """A `Decoder` for a model that has one (`can_decode`), else the model: same tokens, logits equal to rounding."""
    if not getattr(model, "takes_arrays", False):
        return model
    from ..models.gpt.decode import Decoder, can_decode  # a scalar model does without

    return Decoder(model) if can_decode(model) else model  # type: ignore[arg-type]  # a GPT in arrays


def kind_of(model: Predictor, decoder: Predictor) -> Literal["fused", "general"]:
    """What `decoder_of` chose."""
    return "general" if decoder is model else "fused"


def remembering(model: Predictor, decoder: Predictor) -> Predictor:
    """The decoder with a memory, where it is one of arrays with a cache, else the decoder itself."""
    has_cache = getattr(model, "takes_arrays", False) and hasattr(model, "empty_cache")
    return Remembering(model, decoder) if has_cache else decoder


class Remembering:
    """A decoder whose cache outlives a text: of the next one it reads what is new, from the first id that differs.

    model   Whose weights they are: where these have changed, nothing is remembered. One text at a time.
    """

    takes_arrays = True

    def __init__(self, model: Any, decoder: Any) -> None:
        self.model, self.decoder, self.config = model, decoder, model.config
        self._ids: list[int] = []
        self._cache: Any = None
        self._mark, self._begins = 0, True

    def empty_cache(self) -> Any:
        """The cache as it is: a text begins, and its first ids will tell what of it counts."""
        from ..models.gpt.decode import mark_of

        mark = mark_of(self.model)
        if self._cache is None or mark != self._mark:
            self._forget()
            self._cache, self._mark = self.decoder.empty_cache(), mark
        self._begins = True
        return self._cache

    def logits(self, ids: Any, cache: Any = None) -> np.ndarray:
        """As `predict`."""
        return self.predict(ids, cache)

    def predict(self, ids: Any, cache: Any = None) -> np.ndarray:
        """(1, T) -> (1, N, V), the last N <= T positions: those whose keys were not there yet, one at least."""
        if cache is None:
            return np.asarray(self.decoder.predict(ids))
        new = np.asarray(ids)[0].tolist()
        if self._begins:
            n_known = n_common(self._ids, new[:-1])
            self._ids, new, self._begins = new[:n_known], new[n_known:], False
            cache.set_lengths(np.array([n_known]))
        try:
            logits = self.decoder.predict([new], cache)
        except BaseException:  # Ctrl-C too: half of the layers may have read it
            self._forget()
            raise
        self._ids += new
        return np.asarray(logits)

    def _forget(self) -> None:
        self._ids, self._cache = [], None


def n_common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many of their first items are the same.

    >>> n_common([1, 2, 3], [1, 2, 4, 5])
    2
    """
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
