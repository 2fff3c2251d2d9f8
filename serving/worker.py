"""The one thread that owns the model: who waits, who is next, who has left. Everything else only holds queues.

submit --> waiting --> [its prompt, alone] --> a row of the batch --> events
           full: QueueFull           cancelled, over or too late: the row is free within a step

call   --> waiting --> [alone, between two steps] --> a future
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from ..models.base import Predictor
from .batch import Batch
from .continuation import Continuation

log = logging.getLogger("nanochat.serving")
Found = TypeVar("Found")


class QueueFull(Exception):
    """As many wait as may."""


class Closing(Exception):
    """The server is being stopped."""


class TooLate(Exception):
    """A text took longer than it may."""


class Observer(Protocol):
    """Who counts."""

    def began(self, n_prompt: int, waited_s: float) -> None:
        """A prompt was read and its first token drawn."""

    def stepped(self, n_rows: int, step_s: float) -> None:
        """One more token of each row."""

    def ended(self, finish: str) -> None:
        """A text is over."""


class Worker:
    """Continues what is submitted, at most `max_batch` texts at once and at most `max_queue` waiting."""

    def __init__(self, model: Predictor, *, max_batch: int, max_queue: int, observer: Observer) -> None:
        self.batch = Batch(model)
        self.max_batch, self.max_queue, self._observer = max_batch, max_queue, observer
        self._waiting: deque[Continuation] = deque()
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._wake, self._is_closing = threading.Condition(), False
        self.is_ending = False
        """Whether the server is being stopped: what was taken is finished, nothing more is taken."""
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    @property
    def n_waiting(self) -> int:
        """Texts whose prompt has not been read, and calls."""
        return len(self._waiting) + len(self._calls)

    @property
    def n_live(self) -> int:
        """Texts in the batch."""
        return len(self.batch.live)

    @property
    def is_ready(self) -> bool:
        """Whether it takes more."""
        return self._thread.is_alive() and not self.is_ending

    def submit(self, texts: Sequence[Continuation]) -> None:
        """Queue all of them or none. Raises QueueFull, Closing."""
        with self._wake:
            self._check_room(len(texts))
            self._waiting.extend(texts)
            self._wake.notify()

    def call(self, work: Callable[[], Found]) -> Future[Found]:
        """Do something else with the model, between two steps, unless the future is cancelled before.

        Raises QueueFull, Closing.
        """
        future: Future[Found] = Future()
        with self._wake:
            self._check_room(1)
            self._calls.append((work, future))
            self._wake.notify()
        return future

    def end(self) -> None:
        """Take nothing more."""
        self.is_ending = True

    def cancel(self, texts: Sequence[Continuation]) -> None:
        """Nobody wants these any more; those that are over already stay as they are."""
        with self._wake:
            for text in texts:
                text.is_cancelled = True
            self._wake.notify()

    def close(self, patience_s: float = 5.0) -> None:
        """Take nothing more, end what waits, and wait for what is being answered."""
        with self._wake:
            self.is_ending = self._is_closing = True
            self._wake.notify()
        self._thread.join(patience_s)

    def _check_room(self, n: int) -> None:
        if self.is_ending:
            raise Closing
        if self.n_waiting + n > self.max_queue:
            raise QueueFull

    def _run(self) -> None:
        while self._has_work():
            self._attempt(self._drop_gone)
            self._answer_call()
            self._attempt(self._admit)
            if self.batch.live:
                self._attempt(self._step)

    def _has_work(self) -> bool:
        """Waits for some. False when the server is stopped and nobody is being answered."""
        with self._wake:
            while not (self._waiting or self._calls or self.batch.live or self._is_closing):
                self._wake.wait()
            if not self._is_closing:
                return True
            waiting, self._waiting = self._waiting, deque()
        for text in waiting:
            self._end(text, "error", Closing())
        return bool(self.batch.live or self._calls)

    def _attempt(self, part: Callable[[], None]) -> None:
        """A bug of ours ends the texts of the batch, and not the thread."""
        try:
            part()
        except Exception as error:
            log.exception("the model's thread")
            for text in list(self.batch.live):
                self.batch.leave(text)
                self._end(text, "error", error)

    def _answer_call(self) -> None:
        """At most one a step."""
        with self._wake:
            if not self._calls:
                return
            work, future = self._calls.popleft()
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work())
        except Exception as error:
            log.debug("a call", exc_info=error)
            future.set_exception(error)

    def _admit(self) -> None:
        """At most one prompt a step, so that those who are being answered wait for one at the longest."""
        with self._wake:
            if not self._waiting or self.n_live >= self.max_batch:
                return
            text = self._waiting.popleft()
        try:
            self.batch.join(text)
        except Exception as error:
            log.exception("a prompt")
            self._end(text, "error", error)
            return
        self._observer.began(len(text.ask.prompt_ids), time.monotonic() - text.born)
        if text.finish:
            self._observer.ended(text.finish)

    def _step(self) -> None:
        before, begun = list(self.batch.live), time.perf_counter()
        self.batch.step()
        self._observer.stepped(len(before), time.perf_counter() - begun)
        for text in before:
            if text.finish:
                self._observer.ended(text.finish)

    def _drop_gone(self) -> None:
        now = time.monotonic()
        with self._wake:
            gone = [text for text in self._waiting if text.is_cancelled or now > text.deadline]
            self._waiting = deque(text for text in self._waiting if text not in gone)
        for text in [text for text in self.batch.live if text.is_cancelled or now > text.deadline]:
            self.batch.leave(text)
            gone.append(text)
        for text in gone:
            if text.is_cancelled:
                self._end(text, "cancelled")
            else:
                self._end(text, "error", TooLate())

    def _end(self, text: Continuation, finish: str, error: Any = None) -> None:
        text.end(finish, error)
        self._observer.ended(finish)
