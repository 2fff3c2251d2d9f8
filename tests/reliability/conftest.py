"""The rooms of the harness beside this file are imported by the names of their files, here and in measure.py alike."""

import signal
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOMS = [HERE, *(HERE / room for room in ("harness", "saving", "reading", "running", "no_code"))]

for folder in (*ROOMS, HERE.parent / "training" / "folder"):  # folder: resume_cases.py
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # ignored, as in the background of a script, but not in what is started
    if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_IGN:
        signal.signal(getattr(signal, name), lambda *_: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks amount.py how much there is to do."""
    for item in items:
        if hasattr(getattr(item, "module", None), "amount"):
            item.add_marker("more")
