"""A folder for work that is thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .atomic import writing


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new one among the system's temporary folders, readable by its owner alone; gone afterwards with what is in it.

    Raises WriteError where none can be made.
    """
    with writing(Path(tempfile.gettempdir())):
        folder = tempfile.TemporaryDirectory(prefix="nanochat-", ignore_cleanup_errors=True)
    with folder as name:
        yield Path(name)
