"""The `nanochat` command, also as `python -m nanochat`: Ctrl-C has its answer before anything heavy is imported.

Until a command is at work there is nothing to save or to tidy, so the process ends where it stands: an exception
would go through the middle of somebody's import. cli/interrupts.py takes over for the work, and gives back.
"""

import os
from typing import NoReturn


def main() -> None:
    """Parse, work, exit with the code of DESIGN section 6; 130 where Ctrl-C comes, whenever it comes."""
    try:
        import signal  # here: it takes milliseconds, in which a key can be pressed

        signal.signal(signal.SIGINT, lambda *_: _leave())
        from nanochat.cli.app import main as work

        try:
            work()
        finally:  # with an exit code; Python puts back what ends a process while it tidies up, but for what is ignored
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                if hasattr(signal, name):  # SIGHUP is not on Windows
                    signal.signal(getattr(signal, name), signal.SIG_IGN)
    except KeyboardInterrupt:  # between two handlers
        _leave()


def _leave() -> NoReturn:
    try:
        os.write(2, b"\nnanochat: interrupted\n")
    finally:
        os._exit(130)


if __name__ == "__main__":
    main()
