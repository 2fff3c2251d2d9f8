"""The sha256 of a file while it is written or read, beside it, so that it costs next to no time."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor

_LARGE = 1 << 16
"""Bytes of a chunk that is worth the second thread."""


class Sha256:
    """sha256 of chunks in order; large ones are left to a second thread, since hashlib works without the lock."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._last: Future[None] | None = None

    def __enter__(self) -> Sha256:
        self._worker = ThreadPoolExecutor(1)  # starts no thread before something is given to it
        return self

    def update(self, chunk: bytes | memoryview) -> None:
        """Take the next chunk, of bytes; it must not change before `hexdigest`."""
        if len(chunk) < _LARGE and (self._last is None or self._last.done()):
            self._hash.update(chunk)
        else:
            self._last = self._worker.submit(self._hash.update, chunk)

    def hexdigest(self) -> str:
        """Of all the chunks."""
        if self._last:
            self._last.result()
        return self._hash.hexdigest()

    def __exit__(self, *failure: object) -> None:
        self._worker.shutdown(cancel_futures=True)
