"""The `nanochat` command, also as `python -m nanochat`: Ctrl-C has its answer before anything heavy is imported.

Until a command is at work there is nothing to save or to tidy, so the process ends where it stands: an exception
would go through the middle of somebody's import. cli/interrupts.py takes over for the work, and gives back.
"""

import os
import sys
from typing import NoReturn


def main() -> None:
    """Parse, work, exit with a code of errors.py; 130 where Ctrl-C comes, whenever it comes."""
    try:
        import signal  # here: it takes milliseconds, in which a key can be pressed

        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # as a shell has it for what runs in the background
            signal.signal(signal.SIGINT, lambda *_: _leave())
        from nanochat.cli.app import main as work

        try:
            work()
        except SystemExit as leave:
            _end(leave.code if isinstance(leave.code, int) else 1)
    except KeyboardInterrupt:  # between two handlers
        _leave()


def _end(code: int) -> NoReturn:
    """The work is done and written: what comes now changes the exit code no more.

    Python would take its time to tidy up, in which it puts back what ends a process, and in which a thread of a library
    can abort it.
    """
    import atexit
    import signal

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # SIGHUP is not on Windows
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # closed, or gone: said already, where it could be
            continue
    os._exit(code)


def _leave() -> NoReturn:
    try:
        os.write(2, b"\nnanochat: interrupted\n")
    finally:
        os._exit(130)


if __name__ == "__main__":
    main()
