"""Pages that are kept or given back, by platform; arrays work as before."""

from __future__ import annotations

import ctypes
import sys

import numpy as np
import pytest

from nanochat.engine.tensor import allocator


def test_pages_are_kept_on_glibc_only():
    has_glibc = sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")

    assert allocator.keep_freed_pages() is has_glibc
    assert np.ones(1 << 20).sum() == 1 << 20


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_platforms_are_left_alone(platform, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail("no library is to be opened"))

    assert allocator.keep_freed_pages() is False
    assert allocator.give_back_freed_pages() is False


def test_a_libc_without_mallopt_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())

    assert allocator.keep_freed_pages() is False
    assert allocator.give_back_freed_pages() is False


def test_an_arena_begins_at_a_page_and_can_be_written():
    memory = allocator.arena(1 << 16)
    memory[:] = 7
    assert memory.sum() == 7 << 16
    assert memory.__array_interface__["data"][0] % 4096 == 0
    assert allocator.arena(0).size == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere pages stay")
def test_pages_that_are_given_back_come_again_empty():
    memory = allocator.arena(1 << 16)
    memory[:] = 7
    allocator.give_back(memory)
    assert not memory.any()
    memory[5] = 1
    assert memory.sum() == 1
