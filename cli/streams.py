"""The streams of a command: a result that cannot be written ends it, a remark that cannot be written costs itself."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from ..errors import WriteError


class _Stream:
    """A text stream that answers for its own errors, whoever writes to it: Rich, warnings, a bar, or we."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except OSError as error:
            self._failed(error)
        return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Remarks(_Stream):
    """stderr. On a full disk, over a quota, for a reader or a terminal that is gone: from then on it goes nowhere."""

    def _failed(self, error: OSError) -> None:
        discard(self.stream)


class _Results(_Stream):
    """stdout. Raises WriteError; a reader who went away, as `| head` does, is a BrokenPipeError still."""

    def _failed(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            raise error
        discard(self.stream)
        raise WriteError(
            f"cannot write the results to stdout: {error.strerror}; free space or send them elsewhere"
        ) from error


@contextmanager
def streams_guarded() -> Iterator[None]:
    """Inside the block stdout and stderr write UTF-8 and answer for their errors.

    A closed stderr (`2>&-` in a shell) takes remarks, and nobody reads them.
    """
    former = sys.stdout, sys.stderr
    for stream in former:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    sys.stderr = cast("TextIO", _Remarks(sys.stderr or io.StringIO()))
    sys.stdout = cast("TextIO", _Results(sys.stdout or io.StringIO()))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = former


def discard(stream: TextIO) -> None:
    """Nobody takes what is still in the buffer; without this, Python complains about it at exit."""
    with suppress(OSError):  # no file where a test has replaced it
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
