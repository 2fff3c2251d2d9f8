"""Processes that are started to share work: deaf to the terminal, and known to have begun.

They are spawned: a fork of a process with threads (BLAS has some) can wait for ever for a lock that nobody holds. A
spawned process reads the main script again, so that a script which starts them needs a guard.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import current_process

from ..errors import GuardError

SPAWN = get_context("spawn")
_UNGUARDED = (
    "a process that shares the work ended before it began: put what starts it in a file, under "
    '`if __name__ == "__main__":`, because each process reads the script again; if it is, free some memory'
)


class Handshake:
    """Whether any of some processes began: one that did not says nothing of its work, and all would end so."""

    def __init__(self) -> None:
        self._heard, self.tell = SPAWN.Pipe(duplex=False)
        """`tell` goes to the processes, who send a byte as the first thing that they do."""

    def check(self) -> None:
        """After a process has ended. Raises GuardError, naming the guard, where none ever began."""
        if not self._heard.poll():
            raise GuardError(_UNGUARDED)

    def close(self) -> None:
        self._heard.close()
        self.tell.close()


def say_begun(tell: Connection) -> None:
    """In a process that begins; one whose starter has left already has nobody to tell."""
    with suppress(OSError):
        tell.send_bytes(b".")


def check_guarded() -> None:
    """Raises GuardError in a process that is only starting and reads a script without a guard."""
    if getattr(current_process(), "_inheriting", False):
        raise GuardError(_UNGUARDED)


@contextmanager
def deaf_to_the_terminal() -> Iterator[None]:
    """Processes that are started inside never see Ctrl-C or a hangup, not even while Python starts in them.

    The one that started them gets both when the block ends, and sends them home. Windows has no such mask: there
    the processes ignore Ctrl-C once they have begun.
    """
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker

    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # of which Python's own tracker would die
    try:
        resource_tracker.ensure_running()  # whose start ends the blocking of SIGINT
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
