"""The calls by which files are written, counted, with one of them made to fail: an error, a short write, or the end.

    with Faults(folder, at=7, kind="ENOSPC") as faults:
        save(folder)                    # its 7th call on something in `folder` says that the disk is full
    assert faults.struck                # False: it made fewer than 7

A raw file of ours lies under Python's own buffers, so that what is seen above it is what a real system shows. Code
that writes by itself, outside Python, is not seen: kills.py limits and kills real processes for that.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ERRORS = ("ENOSPC", "EIO", "EACCES", "EINTR")
WRITES = ("short", "torn")
"""short: half is written and the call says so, as a system may.  torn: then the next write finds the disk full."""
ENDS = ("crash", "kill")
"""crash: the call never returns, and nothing that the process does later reaches the disk.  kill: a real SIGKILL."""
_FREE = ("unlink", "remove", "rmdir", "close", "look", "read", "leave")
"""Calls that a full disk does not hinder."""


class Crash(BaseException):
    """The process ends here: nothing may catch this and go on."""


class Faults:
    """Counts the calls on what lies in `folder` and lets the one numbered `at` fail; 0 only counts.

    sticky  every later call fails as well, but what frees or reads: a disk that stays full.
    """

    def __init__(self, folder: Path, *, at: int = 0, kind: str = "EIO", sticky: bool = False) -> None:
        self.folder, self.at, self.kind, self.sticky = os.path.realpath(folder), at, kind, sticky
        self.calls: list[tuple[str, str]] = []
        """(call, name of the file) of each call, in order; look: open for reading; leave: close
        a descriptor of os.open, a folder's as a rule."""
        self.struck = ""
        """The call that failed."""
        self.dead = False
        self._is_torn = False
        self._names: dict[int, str] = {}  # open descriptors of ours
        self._real: dict[tuple[Any, str], Callable[..., Any]] = {}

    def __enter__(self) -> Self:
        self._replace(io, "open", self._open)
        self._replace(builtins, "open", self._open)
        self._replace(os, "open", self._os_open)
        for name in ("mkdir", "unlink", "remove", "rmdir"):
            self._replace(os, name, self._on_path(name))
        for name in ("replace", "rename"):
            self._replace(os, name, self._on_path(name))
        for name in ("fsync", "ftruncate"):
            self._replace(os, name, self._on_descriptor(name))
        self._replace(os, "write", self._os_write)
        self._replace(os, "close", self._os_close)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for (module, name), real in self._real.items():
            setattr(module, name, real)

    def step(self, call: str, name: str) -> bool:
        """One call is about to be made. Raises what it shall fail with; True: a write that shall be cut short."""
        if self.dead:
            raise Crash
        self.calls.append((call, os.path.basename(name)))  # noqa: PTH119 (bytes and descriptors, too)
        if self._is_torn and call == "write":
            self._is_torn = False
            raise failure("ENOSPC", name)
        repeated = self.sticky and self.struck and call not in _FREE
        if len(self.calls) != self.at and not repeated:
            return False
        if self.kind in WRITES and call != "write" and not repeated:
            return False
        first, self.struck = not self.struck, self.struck or f"{call} {os.path.basename(name)}"  # noqa: PTH119
        if self.kind in WRITES and first:
            self._is_torn = self.kind == "torn"
            return True
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "crash":
            self.dead = True
            raise Crash
        raise failure("ENOSPC" if self.kind in WRITES else self.kind, name)

    def _replace(self, module: Any, name: str, new: Callable[..., Any]) -> None:
        self._real[module, name] = getattr(module, name)
        setattr(module, name, new)

    def _is_ours(self, path: Any, directory: int | None = None) -> bool:
        if isinstance(path, int):
            return path in self._names
        if directory is not None:
            return directory in self._names
        return os.path.abspath(os.fsdecode(path)).startswith(self.folder)  # noqa: PTH100

    def _open(self, file: Any, mode: str = "r", buffering: int = -1, *args: Any, **options: Any) -> Any:
        if not self._is_ours(file):
            return self._real[io, "open"](file, mode, buffering, *args, **options)
        opener = options.pop("opener", None)  # which opens by os.open, and that counts
        if not isinstance(file, int) and opener is None:
            self.step("look" if mode.strip("bt") == "r" else "open", str(file))
        raw = _Raw(self, file, "".join(ch for ch in mode if ch not in "bt"), options.pop("closefd", True), opener)
        if buffering == 0:
            return raw
        binary = io.BufferedRandom if "+" in mode else io.BufferedReader if "r" in mode else io.BufferedWriter
        buffered = binary(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *args, **options)

    def _os_open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        real = self._real[os, "open"]
        if not self._is_ours(path, dir_fd):
            return real(path, flags, mode, dir_fd=dir_fd)
        self.step("open" if flags & (os.O_WRONLY | os.O_RDWR) else "look", os.fsdecode(path))
        descriptor = real(path, flags, mode, dir_fd=dir_fd)
        self._names[descriptor] = os.fsdecode(path)
        return descriptor

    def _on_path(self, name: str) -> Callable[..., Any]:
        def call(path: Any, *args: Any, **options: Any) -> Any:
            if self._is_ours(path, options.get("dir_fd")):
                self.step(name, os.fsdecode(path))
            return self._real[os, name](path, *args, **options)

        return call

    def _on_descriptor(self, name: str) -> Callable[..., Any]:
        def call(descriptor: int, *args: Any) -> Any:
            if descriptor in self._names:
                self.step(name, self._names[descriptor])
            return self._real[os, name](descriptor, *args)

        return call

    def _os_write(self, descriptor: int, content: Any) -> int:
        if descriptor not in self._names:
            return self._real[os, "write"](descriptor, content)
        return self.write(descriptor, content, lambda part: self._real[os, "write"](descriptor, part))

    def _os_close(self, descriptor: int) -> None:
        name = self._names.get(descriptor)
        if name is not None and self.kind == "crash" and not self.dead:
            self.step("leave", name)  # a call that never returns: whoever tidies up may close it again
            name = None
        self._names.pop(descriptor, None)
        self._real[os, "close"](descriptor)
        if name is not None:
            self.step("leave", name)

    def write(self, descriptor: int, content: Any, real: Callable[[Any], int]) -> int:
        """A write, whole, cut short, or into nothing."""
        if self.dead:
            return len(memoryview(content).cast("B"))
        name = self._names.get(descriptor, "")
        if self.kind == "crash" and len(self.calls) + 1 == self.at:
            real(_half(content))  # what was on its way when the end came
        if not self.step("write", name):
            return real(content)
        return real(_half(content))


class _Raw(io.FileIO):
    """A file whose opening, reading, writing and closing count."""

    def __init__(self, faults: Faults, file: Any, mode: str, closefd: bool, opener: Any) -> None:
        self.faults = faults
        super().__init__(file, mode, closefd, opener)
        if not isinstance(file, int):
            faults._names[self.fileno()] = os.fsdecode(file)

    def write(self, content: Any) -> int:
        return self.faults.write(self.fileno(), content, super().write)

    def readinto(self, buffer: Any) -> int:
        self.faults.step("read", self.faults._names.get(self.fileno(), ""))
        return super().readinto(buffer)

    def readall(self) -> bytes:
        self.faults.step("read", self.faults._names.get(self.fileno(), ""))
        return super().readall()

    def close(self) -> None:
        if self.closed or not self.closefd:
            super().close()
            return
        name = self.faults._names.pop(self.fileno(), "")
        super().close()
        if not self.faults.dead:
            self.faults.step("close", name)


def failure(kind: str, name: str) -> OSError:
    """What the system says; Python makes PermissionError and its like of it."""
    number = getattr(errno, kind)
    return OSError(number, os.strerror(number), name)


def _half(content: Any) -> memoryview:
    whole = memoryview(content).cast("B")
    return whole[: (len(whole) + 1) // 2]
