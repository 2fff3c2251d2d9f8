"""One text that is being continued: its next token, what becomes certain of its words, and how it ends.

Knows neither the model nor who else is being answered.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..inference.detokenizer import Detokenizer
from ..inference.samplers import Sampling, largest, log_softmax, sample_token
from ..inference.stopping import find_stop, n_held

LOWEST = -9999.0
"""Stands for the log of probability 0, which JSON cannot write; OpenAI's own number for it."""


@dataclass(frozen=True)
class Candidate:
    """A token as it reads in its place, and ln p in the model itself: temperature 1, no filter, no penalty."""

    text: str
    logprob: float


@dataclass(frozen=True)
class Drawn(Candidate):
    """The one that was drawn, beside the likeliest in its place."""

    likeliest: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Event:
    """What is new of a text. The last one says how it ended."""

    text: str = ""
    tokens: tuple[Drawn, ...] = ()
    finish: str = ""
    """stop, length, cancelled or error; "" while it goes on."""
    error: Exception | None = None


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What somebody wants: a prompt to go on from, how to draw, and what ends it."""

    prompt_ids: tuple[int, ...]
    sampling: Sampling
    seed: tuple[int, ...]
    """Of its own generator, so that nobody else's draws change it."""
    max_new_tokens: int
    """1 or more."""
    context: int
    """The model's. A text ends where it is full: no window slides."""
    stop_ids: tuple[int, ...] = ()
    banned: tuple[int, ...] = ()
    stops: tuple[str, ...] = ()
    n_likeliest: int | None = None
    """How many candidates to tell beside each token; None for no log probabilities at all."""


@dataclass(eq=False)
class Continuation:
    """A text on its way, and where its events go: `sink` is called by the thread that owns the model."""

    ask: Ask
    words: Detokenizer
    sink: Callable[[Event], None]
    deadline: float = math.inf
    """Of `time.monotonic`: later than that nobody waits any more."""
    is_cancelled: bool = False
    finish: str = ""
    memory: Any = None
    """Keys and values, where the model has some for each text."""
    born: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.ids = list(self.ask.prompt_ids)
        self._seen = set(self.ids).difference(self.ask.stop_ids)
        self._rng = np.random.default_rng(self.ask.seed)
        self._held, self._untold = "", deque[Drawn]()
        self._n_shown = self._n_covered = 0  # characters of the text, and of the tokens that were told with it

    @property
    def n_new(self) -> int:
        """Tokens of the answer, without the mark that ended it."""
        return len(self.ids) - len(self.ask.prompt_ids)

    def extend(self, logits: np.ndarray) -> None:
        """Draw the next token and tell what is certain now.       logits (V,)

        Raises DivergedError where none can be drawn.
        """
        ask = self.ask
        token = sample_token(logits, ask.sampling, self._rng, banned=ask.banned, seen=self._seen)
        if token in ask.stop_ids:
            self._finish("stop", self._held + self._rest())
            return
        likeliest = self._likeliest(logits, token)
        piece = self.words.push(token)
        if likeliest is not None:
            self._untold.append(Drawn(piece, *likeliest))
        self.ids.append(token)
        self._seen.add(token)
        text = self._held + piece
        end = find_stop(text, ask.stops)
        if end is not None:
            self._finish("stop", text[:end])
        elif self.n_new >= ask.max_new_tokens or len(self.ids) > ask.context > 1:
            self._finish("length", text + self._rest())
        else:
            self._tell(text)

    def end(self, finish: str, error: Exception | None = None) -> None:
        """Break it off: nobody waits for it, or it cannot go on."""
        self.finish = finish
        self.sink(Event(finish=finish, error=error))

    def _tell(self, text: str) -> None:
        n_shown = len(text) - n_held(text, self.ask.stops)
        self._held = text[n_shown:]
        if n_shown:
            self.sink(self._event(text[:n_shown]))

    def _finish(self, finish: str, text: str) -> None:
        end = find_stop(text, self.ask.stops)  # what was held back may complete one
        if end is not None:
            finish, text = "stop", text[:end]
        self.finish = finish
        self.sink(self._event(text, finish))

    def _rest(self) -> str:
        """What was held back for want of a next token: it is the last one's."""
        rest = self.words.close()
        if rest and self._untold:
            self._untold[-1] = replace(self._untold[-1], text=self._untold[-1].text + rest)
        return rest

    def _event(self, text: str, finish: str = "") -> Event:
        """With the tokens that begin in what is shown by now: those of a stop string never are."""
        self._n_shown += len(text)
        tokens = []
        least = 0 if finish else 1  # one that shows nothing yet may still be given what was held back
        while self._untold and self._n_covered + min(1, len(self._untold[0].text) or least) <= self._n_shown:
            tokens.append(self._untold.popleft())
            self._n_covered += len(tokens[-1].text)
        return Event(text, tuple(tokens), finish)

    def _likeliest(self, logits: np.ndarray, token: int) -> tuple[float, tuple[Candidate, ...]] | None:
        """ln p of the token, and the likeliest candidates."""
        n = self.ask.n_likeliest
        if n is None:
            return None
        log_p = np.maximum(log_softmax(logits, banned=self.ask.banned), LOWEST)
        others = largest(log_p, n).tolist() if n else []
        return float(log_p[token]), tuple(Candidate(self.words.would(id_), float(log_p[id_])) for id_ in others)
