"""Ctrl-C while a command is at work: an exception there, and in the end one line and exit code 130, never a traceback.

Before and after the work __main__.py answers; a run that saves before it leaves has StopSignals (console.py).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_CODE = 128 + signal.SIGINT


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt inside the block, and means afterwards what it meant before."""
    previous = signal.getsignal(signal.SIGINT)
    if previous is signal.default_int_handler:  # somebody's Python called us, perhaps not in its main thread
        yield
        return
    hook, sys.unraisablehook = sys.unraisablehook, _leave_where_none_can_be_raised
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        sys.unraisablehook = hook


def interruption(error: BaseException) -> int | None:
    """The exit code that a signal asked for, where that is what is behind `error`.

    Compiled modules that are interrupted while they are imported raise an ImportError or SystemError of their own.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, KeyboardInterrupt):
            return _CODE
        if isinstance(seen, SystemExit):
            return seen.code if isinstance(seen.code, int) else 1
        seen = seen.__cause__ or seen.__context__
    return None


def _leave_where_none_can_be_raised(broken: sys.UnraisableHookArgs) -> None:
    """Python would print a traceback, `Exception ignored in ...`, and go on as if no key had been pressed."""
    code = interruption(broken.exc_value) if broken.exc_value else None
    if code is None:
        sys.__unraisablehook__(broken)
        return
    os._exit(code)
