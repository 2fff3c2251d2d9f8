"""Keep freed memory in the process, so that the arrays of the next step need no new pages from the kernel.

By default glibc gives arrays of more than 128 KiB their own mapping and returns it when the array dies. Each step of
training then faults in, page by page and zeroed, the very memory that it gave back a moment ago: half of the time of
a small model's step. Raising two thresholds of malloc makes it keep and reuse those pages. A thread besides gets an
arena of its own, in heaps of 64 MiB that go back to the kernel when they are empty: one arena for all keeps those too
(10,500 page faults a step of a 10.8 M-parameter model became 260). The price: the process holds its peak memory until
it ends.
"""

from __future__ import annotations

import ctypes
import sys

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
