"""Memory of training steps: kept, where the next step takes as much, or given back, where others need it."""

from __future__ import annotations

import ctypes
import mmap
import sys
from contextlib import suppress
from typing import Any

import numpy as np

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # glibc's malloc.h; man 3 mallopt
_LARGEST = 1 << 30  # bytes; a larger array still gets a mapping of its own, and gives it back
_LARGEST_OF_OLD = 1 << 25  # bytes; older versions of glibc refuse more


def keep_freed_pages() -> bool:
    """Ask the C allocator to keep freed memory up to 1 GiB; True if it agreed.

    Linux with glibc only: elsewhere (macOS, Windows, musl) nothing happens and the answer is False. Affects the
    whole process from here on, so it is for the program that owns the process to call, once, before it trains and
    before it starts threads.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018  absent in musl, whose mallopt is not there or does nothing
        raised = libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST) or libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_OF_OLD)
        return bool(raised and libc.mallopt(_M_TRIM_THRESHOLD, _LARGEST) and libc.mallopt(_M_ARENA_MAX, 1))
    except (OSError, AttributeError):
        return False


def give_back_freed_pages() -> bool:
    """Ask the C allocator for all that is free, once; True if there was some. Linux with glibc only."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (OSError, AttributeError):
        return False


def arena(n_bytes: int) -> np.ndarray:
    """(n_bytes,) of uint8 that begin at a page, in large pages where there are some. They hold anything."""
    if sys.platform.startswith("linux"):
        pages = mmap.mmap(-1, max(1, n_bytes), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with suppress(OSError):  # of a kernel without large pages
            pages.madvise(mmap.MADV_HUGEPAGE)
    else:
        pages = mmap.mmap(-1, max(1, n_bytes))
    return np.frombuffer(pages, np.uint8, n_bytes)


def give_back(memory: np.ndarray) -> None:
    """Let the system have the pages of an arena that nobody is at work in: what they hold is lost. Linux only."""
    base: Any = memory.base
    pages = base.obj if isinstance(base, memoryview) else base
    if sys.platform.startswith("linux") and isinstance(pages, mmap.mmap):
        pages.madvise(mmap.MADV_DONTNEED)
