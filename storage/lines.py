"""Lines of a file that somebody else is writing, as they are added."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from .reading import is_there, opened

_MOST_BYTES = 1 << 20
"""At once."""


class Tail:
    """`read` gives the whole lines that came since it was asked last; a file that is not there has none.

    The file stays open in between, so that another one of the same name is known as such, whatever its size.
    from_end: begin so many bytes before the end, and with the first line that begins there.
    """

    def __init__(self, path: Path, *, from_end: int | None = None) -> None:
        self.path, self._from_end = path, from_end
        self._file: IO[bytes] | None = None
        self._left = ExitStack()

    def read(self) -> list[bytes]:
        """The next lines, without their ends. Raises CheckpointError."""
        if self._file is None:
            if not is_there(self.path):
                return []
            self._file = self._left.enter_context(opened(self.path))
            if self._from_end is not None and (begin := self._file.seek(0, os.SEEK_END) - self._from_end - 1) >= 0:
                self._file.seek(begin)
                self._file.readline()
            else:
                self._file.seek(0)
        begin = self._file.tell()
        content = self._file.read(_MOST_BYTES)
        end = content.rfind(b"\n") + 1
        self._file.seek(begin + end)
        return content[:end].split(b"\n")[:-1]

    @property
    def is_stale(self) -> bool:
        """Whether what was read is no longer there: the file was removed, cut, or another took its name."""
        if self._file is None:
            return False
        now = os.fstat(self._file.fileno())
        with suppress(OSError):
            return not os.path.samestat(now, self.path.stat()) or now.st_size < self._file.tell()
        return True

    def close(self) -> None:
        """Let go of the file; `read` begins at its beginning again."""
        self._left.close()
        self._left, self._file = ExitStack(), None
