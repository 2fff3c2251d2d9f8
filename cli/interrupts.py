"""Signals while a command is at work: an exception there, and in the end their exit code, never a traceback.

Before and after the work __main__.py answers; a run that saves before it leaves has StopSignals (console.py).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_CODE = 128 + signal.SIGINT
_ENDS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""SIGHUP is not on Windows."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside the block Ctrl-C raises KeyboardInterrupt, and what ends a process otherwise SystemExit.

    So drafts and locks are tidied away. Afterwards each means what it meant before. What is ignored, as by `nohup` or
    in the background of a script, stays ignored.
    """
    previous = signal.getsignal(signal.SIGINT)
    if previous is signal.default_int_handler:  # somebody's Python called us, perhaps not in its main thread
        yield
        return
    hook, sys.unraisablehook = sys.unraisablehook, _leave_where_none_can_be_raised
    former = {number: signal.signal(number, _leave) for number in _ENDS if signal.getsignal(number) is signal.SIG_DFL}
    if previous != signal.SIG_IGN:
        former[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
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


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _leave_where_none_can_be_raised(broken: sys.UnraisableHookArgs) -> None:
    """Python would print a traceback, `Exception ignored in ...`, and go on as if no key had been pressed."""
    code = interruption(broken.exc_value) if broken.exc_value else None
    if code is None:
        sys.__unraisablehook__(broken)
        return
    os._exit(code)
