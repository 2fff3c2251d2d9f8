"""The dataset that this process built last, kept for the next run that reads the same: the cells of a sweep share it.

One, and of no large file: whoever trains on one text after the other never holds two. What a file holds is compared,
not when it was written, so that a text which changes between two runs is read anew.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar

from ..errors import CheckpointError
from ..plain import path_of
from ..storage.reading import file_sha256
from ..tokenizers.files import KINDS
from .config import DataConfig
from .corpus import BUILTIN_PREFIX

T = TypeVar("T")

MOST_BYTES = 1 << 26
"""Of a file whose dataset is kept: 64 MiB, which are some hundred MB as text and ids."""


class Memo(Generic[T]):
    """The last value that was built, and what was remarked meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # cells on threads of one process wait for the one that builds
        self._last: tuple[Any, T, tuple[Warning, ...]] | None = None

    def get(self, key: Any, build: Callable[[], T], is_current: Callable[[], bool] = lambda: True) -> T:
        """What `build` gives, or what it gave for an equal key; remarks are made both times.

        It is kept if `is_current` says afterwards that the key still stands for what was read.
        """
        remarks: list[Warning] = []
        try:
            with self._lock:
                if self._last is not None and self._last[0] == key:
                    _, value, known = self._last
                    remarks += known
                    return value
                self._last = None  # before the next one takes its memory
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    try:
                        value = build()
                    finally:
                        remarks += [one.message for one in caught if isinstance(one.message, Warning)]
                if is_current():
                    self._last = (key, value, tuple(remarks))
                return value
        finally:
            for remark in remarks:
                warnings.warn(remark, stacklevel=3)


def inputs_of(config: DataConfig) -> tuple[Any, ...] | None:
    """What decides the sides of a corpus and a tokenizer made for it; None where that is not to be kept: of a large
    file, of one that cannot be read, and where a folder keeps the tokens, which is looked into each time."""
    if config.cache:
        return None
    digests = [_content(config.source, is_file=not config.source.startswith(BUILTIN_PREFIX))]
    digests.append(_content(config.tokenizer, is_file=config.tokenizer not in KINDS))
    return None if None in digests else (replace(config, packing="none"), *digests)  # rows are packed later


def _content(name: str, *, is_file: bool) -> str | None:
    """The name, or the sha256 of the regular file of at most MOST_BYTES that it names; None for any other."""
    if not is_file:
        return name
    try:
        return file_sha256(path_of(name), follow=True, limit=MOST_BYTES)
    except (CheckpointError, ValueError):  # ValueError: no path at all
        return None
