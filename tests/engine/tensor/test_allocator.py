"""Keeping freed pages: yes or no by platform, and arrays work as before."""

from __future__ import annotations

import ctypes
import sys

import numpy as np
import pytest

from nanochat.engine.tensor import allocator as memory


def test_pages_are_kept_on_glibc_only():
    has_glibc = sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")

    assert memory.keep_freed_pages() is has_glibc
    assert np.ones(1 << 20).sum() == 1 << 20


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_platforms_are_left_alone(platform, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("no library is to be opened"))

    assert memory.keep_freed_pages() is False
    assert memory.give_back_freed_pages() is False


def test_a_libc_without_mallopt_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())

    assert memory.keep_freed_pages() is False
    assert memory.give_back_freed_pages() is False
