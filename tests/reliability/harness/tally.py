"""What a series of trials came to: how many, how many failed, and what the first failures were."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_SHOWN = 40


class Hang(BaseException):
    """A trial took longer than it may; no `except Exception` of the code under trial can swallow it."""


@dataclass
class Tally:
    """One line of the report."""

    name: str
    n: int = 0
    n_failed: int = 0
    failures: list[str] = field(default_factory=list)
    """The first of them, each with what is needed to see it again."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Counts and extremes worth showing beside the result."""
    seconds: float = 0.0

    def add(self, problem: str | None, *, label: str = "") -> None:
        """Count one trial; `problem` says what was wrong with it."""
        self.n += 1
        if problem is not None:
            self.n_failed += 1
            if len(self.failures) < _SHOWN:
                self.failures.append(f"{label}: {problem}" if label else problem)

    def most(self, name: str, value: float) -> None:
        """Keep the largest value seen under this name."""
        self.facts[name] = max(value, self.facts.get(name, value))

    def count(self, name: str) -> None:
        """One more of this kind."""
        self.facts[name] = self.facts.get(name, 0) + 1

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the time inside to `seconds`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - start


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises Hang inside when the time is up; where there is no timer (Windows, a thread) it only lets things run."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise Hang(f"still at it after {seconds} s")

    former = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
