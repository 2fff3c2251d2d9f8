"""A contender in a process of its own, as who uses it runs it: with threads and memory that no other has set up."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from ...errors import GuardError
from ...machine import cpu_s, peak_bytes
from ...tokenizers.processes import SPAWN, check_guarded, deaf_to_the_terminal
from .pairs import Seconds, Step, time_calls


class Elsewhere:
    """`make(*arguments)`, which is a step, made and called in a process that is started for it. Close it at the end."""

    def __init__(self, make: Callable[..., Step], *arguments: Any) -> None:
        check_guarded()
        self._pipe, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_work, args=(theirs, make, arguments))
        with deaf_to_the_terminal(), theirs:
            self._process.start()

    def __call__(self) -> None:
        self.time(1)

    def time(self, n: int) -> Seconds:
        """Mean of n calls."""
        return Seconds(*self._ask("time", n))

    def cpu_s(self) -> float:
        """Processor time that the process has taken so far."""
        return float(self._ask("cpu"))

    def peak_bytes(self) -> int:
        """Most memory that it had, 0 where the system does not say."""
        return int(self._ask("peak"))

    def close(self) -> None:
        """End the process, whatever it is at."""
        self._pipe.close()
        self._process.kill()
        self._process.join()

    def _ask(self, *question: Any) -> Any:
        try:
            self._pipe.send(question)
            return self._pipe.recv()
        except (EOFError, OSError):
            raise GuardError(
                "a contender's process ended before its time, killed by hand or for want of memory: free some, and run "
                "the benchmark again"
            ) from None


def _work(pipe: Connection, make: Callable[..., Step], arguments: tuple[Any, ...]) -> None:
    with suppress(EOFError, OSError):  # closed
        step = make(*arguments)
        while True:
            match pipe.recv():
                case "time", n:
                    pipe.send(tuple(time_calls(step, n)))
                case ("cpu",):
                    pipe.send(cpu_s())
                case ("peak",):
                    pipe.send(peak_bytes())
