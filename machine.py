"""What this process runs on, each fact asked in one place: cores, memory, BLAS, processor, versions.

It stands on the ground above errors.py: every floor may ask, and importing it costs nothing.
"""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from . import __version__
from .errors import ConfigError

_PACKAGES = ("numpy", "regex", "safetensors")
"""Those whose version can decide a figure: arithmetic, the pieces of a word, the numbers of a file."""
_CLEAR_PEAK = Path("/proc/self/clear_refs")
_SHARE = 0.9
"""Of the free memory, what a run may take."""


def cores(root: Path = Path("/")) -> int:
    """Cores that this process may use: of the machine's those of its affinity, and no more than its control groups'
    share of time (cpu.max of version 2, cpu.cfs_quota_us of version 1). `root` is where /proc and /sys are.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *map(int, _quotas(root))]))


class Processes(NamedTuple):
    """Those of one run, and which of them this is."""

    rank: int
    size: int
    local_rank: int
    """Among those on this machine: which GPU is its own."""


def processes() -> Processes:
    """As torchrun tells each of those that it starts; one, the first, where nobody says anything.

    Raises ConfigError where the environment says only a part of it.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    said = {name: os.environ.get(name, "") for name in names}
    size = said["WORLD_SIZE"]
    if size in ("", "1"):
        return Processes(0, 1, int(said["LOCAL_RANK"]) if said["LOCAL_RANK"].isdecimal() else 0)
    lacking = [name for name in names if not said[name]]
    if lacking:
        raise ConfigError(
            f"the environment sets WORLD_SIZE={size[:20]} without {', '.join(lacking)}: start the processes by "
            "torchrun, which sets all of them, or unset WORLD_SIZE"
        )
    numbers = [said[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")]
    if not all(number.isdecimal() for number in numbers) or not int(numbers[0]) < int(size):
        raise ConfigError(
            f"the environment says RANK={said['RANK'][:20]} of WORLD_SIZE={size[:20]}, LOCAL_RANK="
            f"{said['LOCAL_RANK'][:20]}: start the processes by torchrun, which sets them"
        )
    return Processes(*map(int, numbers))


def is_first() -> bool:
    """Whether this is the process of its run that writes and prints."""
    return processes().rank == 0


def threads() -> int:
    """Threads that are worth starting: a core each, and no more than BLAS was given (OPENBLAS_NUM_THREADS, or the share
    of a process among several)."""
    return min([cores(), *(library.num_threads for library in _blas().lib_controllers)])


def cpu_s() -> float:
    """Seconds of processor time that this process has taken, with those that work for it."""
    return time.process_time() + _HELPERS.ended_s + sum(map(_cpu_s_of, list(_HELPERS.pids)))


def can_fork() -> bool:
    """Whether this process can go on as two that share memory.

    Linux alone: elsewhere there is no fork (Windows), or the copy may not use the system's libraries (macOS). And in
    its only thread: BLAS, which ends its threads before a fork, waits for ever for one that is at work for another.
    """
    return sys.platform.startswith("linux") and threading.active_count() == 1


def close_files_but(*kept: int) -> None:
    """Close what this process has open besides these numbers. Linux."""
    for entry in Path("/proc/self/fd").iterdir():
        if int(entry.name) not in kept:
            with suppress(OSError):  # the listing's own
                os.close(int(entry.name))


def is_dead(pid: int) -> bool:
    """No process of this number is at work: there is none, or (Linux) it has ended and was not waited for yet.

    Windows does not say, and so none is.
    """
    if sys.platform == "win32":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # another user's; no number of a process
        return False
    with suppress(OSError, IndexError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[0] == "Z"
    return False


def helped_by(pid: int) -> None:
    """From now on what this process, which was just forked, takes of time and memory counts as this one's. Linux."""
    _HELPERS.pids[pid] = _memory_of(pid, "VmRSS")


def no_longer_helped_by(pid: int) -> None:
    """It is about to be ended."""
    if pid in _HELPERS.pids:
        _HELPERS.ended_s += _cpu_s_of(pid)
        _HELPERS.ended_bytes = max(_HELPERS.ended_bytes, _bytes_of_helpers("VmHWM"))
        _HELPERS.pids.pop(pid, None)


def resident_bytes() -> int | None:
    """Memory that this process holds now, in bytes, with those that work for it; None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") + _bytes_of_helpers("VmRSS")


def forget_peak() -> None:
    """Let the peak of this process's memory count from now on, where the system can."""
    _HELPERS.ended_bytes = 0
    with suppress(OSError):
        _CLEAR_PEAK.write_text("5", encoding="ascii")


def peak_bytes() -> int:
    """Most resident memory of this process, in bytes, since the last forget_peak, and what those that work for it took
    besides; 0 where the system does not say."""
    if own := _memory_of("self", "VmHWM"):
        return own + max(_HELPERS.ended_bytes, _bytes_of_helpers("VmHWM"))
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def worked_s(root: Path = Path("/")) -> float | None:
    """Seconds that the machine's cores have worked since it started, for all processes; None where the system does not
    say (macOS, Windows). `root` is where /proc is.
    """
    with suppress(OSError, ValueError, IndexError):
        total = (root / "proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        user, nice, system, _idle, _wait, *interrupts = map(int, total[1:8])  # what is not idle and does not wait
        return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
    return None


def available_bytes(root: Path = Path("/")) -> int | None:
    """What a run may take: the least of the machine's free memory, the control group's and the limit of the address
    space, times 0.9. None where the system does not say (macOS, Windows). `root` is where /proc and /sys are.
    """
    if not sys.platform.startswith("linux"):
        return None
    limits = [*_free_memory(root), *_free_in_groups(root), *_address_space()]
    return int(min(limits) * _SHARE) if limits else None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Inside, matrix products run in the thread that asks for them, so that their bits do not depend on how many there
    are. The setting is the process's: it is taken back when the last of several threads leaves."""
    libraries = _blas().lib_controllers
    with _LIMIT.lock:
        if not _LIMIT.n_inside:
            _LIMIT.before = [library.num_threads for library in libraries]
        _LIMIT.n_inside += 1
        _set_blas_threads([1] * len(libraries))  # by every thread: on OpenMP each has a number of its own
    try:
        yield
    finally:
        with _LIMIT.lock:
            _LIMIT.n_inside -= 1
            if not _LIMIT.n_inside:
                _set_blas_threads(_LIMIT.before)


def blas() -> str:
    """Library, version and kernels, e.g. openblas 0.3.31 SkylakeX: what multiplies matrices in this process."""
    for library in _blas().info():
        words = (library["internal_api"], library["version"], library.get("architecture"))
        return " ".join(word for word in words if word)
    return "unknown"


def blas_threads() -> int:
    """How many a matrix product may use; training takes one, whatever this says."""
    return max((library.num_threads for library in _blas().lib_controllers), default=1)


@cache
def arithmetic() -> dict[str, str]:
    """What decides the last bits of a run, besides its settings, the texts and the BLAS: names and versions.

    `simd` are the instructions that NumPy chose for this processor; a C library has its own exp and log.
    """
    import numpy as np

    found = np.show_config(mode="dicts").get("SIMD Extensions", {})
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
        "machine": f"{platform.system()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip() or "unknown",
        "simd": " ".join([*found.get("baseline", ()), *found.get("found", ())]) or "unknown",
    }


def describe() -> dict[str, Any]:
    """Everything about machine and versions that stands beside a result."""
    facts = arithmetic()
    return {
        "python": facts["python"],
        "implementation": platform.python_implementation(),
        "platform": platform.system(),  # not platform.platform(): a kernel's build name is nobody's business
        "machine": platform.machine(),
        "processor": _processor(),
        "simd": facts["simd"],
        "libc": facts["libc"],
        "cores": cores(),
        "packages": {name: facts[name] for name in _PACKAGES} | {"nanochat": __version__},
        "blas": blas(),
        "blas_threads": blas_threads(),
    }


class _Limit:
    """How many are inside one_blas_thread, and the threads of each library before the first of them."""

    def __init__(self) -> None:
        self.lock, self.n_inside = threading.Lock(), 0
        self.before: list[int] = []


class _Helpers:
    """Processes that work for this one, and what those that ended had taken."""

    def __init__(self) -> None:
        self.pids: dict[int, int] = {}
        """With the memory that each was born with, which it shares."""
        self.ended_s, self.ended_bytes = 0.0, 0

    def forget(self) -> None:
        """In a copy of the process whose they are."""
        self.pids.clear()
        self.ended_s, self.ended_bytes = 0.0, 0


_HELPERS = _Helpers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_HELPERS.forget)
_LIMIT = _Limit()  # of the process, as the number of threads itself is


@cache
def _blas() -> Any:
    """Finding the libraries takes 5 ms, a limit on those found 15 us."""
    import numpy as np  # noqa: F401  (loads the BLAS that is looked for)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def _set_blas_threads(numbers: list[int]) -> None:
    for library, n in zip(_blas().lib_controllers, numbers, strict=True):
        if library.num_threads != n:
            library.set_num_threads(n)
            if library.num_threads != n and hasattr(library, "clear_controlling_thread"):
                library.clear_controlling_thread(force=True)  # OpenBLAS listens to the thread that set it last
                library.set_num_threads(n)


def _memory_of(process: int | str, field: str) -> int:
    """A field of Linux's /proc/PID/status, in bytes; 0 where there is none."""
    with suppress(OSError, ValueError, IndexError, StopIteration):
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1]) * 1024
    return 0


def _bytes_of_helpers(field: str) -> int:
    """What they have, or had at most, besides what they were born with and what they share with this process."""
    known = list(_HELPERS.pids.items())  # others may be ended meanwhile
    return sum(max(0, _memory_of(pid, field) - born - _memory_of(pid, "RssShmem")) for pid, born in known)


def _cpu_s_of(pid: int) -> float:
    """Of another process, by the clock that Linux has of each (clock_getcpuclockid)."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:  # it is gone
        return 0.0


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # copied to a folder without its metadata
        return "unknown"


@cache
def _processor() -> str:
    """Its model as the system names it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _quotas(root: Path) -> Iterator[float]:
    """Cores' worth of time that the process's control groups grant, of each group that has a limit."""
    for place in _groups(root, ""):
        with suppress(OSError, ValueError):  # `max` is no number: no limit here
            quota, period = map(int, (place / "cpu.max").read_text(encoding="ascii").split())
            yield quota / period
    for place in _groups(root, "cpu"):
        with suppress(OSError, ValueError):
            quota, period = (
                int((place / f"cpu.cfs_{name}_us").read_text(encoding="ascii")) for name in ("quota", "period")
            )
            if quota > 0 and period > 0:  # -1: no limit
                yield quota / period


def _free_memory(root: Path) -> Iterator[int]:
    with suppress(OSError, ValueError, IndexError):
        for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                yield int(line.split()[1]) << 10


def _free_in_groups(root: Path) -> Iterator[int]:
    """Of the process's control group and of each above it: the limit less what is used."""
    for controller, limit, used in (
        ("", "memory.max", "memory.current"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),  # version 1: without a limit an enormous number
    ):
        for place in _groups(root, controller):
            with suppress(OSError, ValueError):  # `max` is no number: no limit here
                yield max(0, int((place / limit).read_text()) - int((place / used).read_text()))


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folder of the process's control group, and of each above it: of version 2, or of a controller of version 1.

    In a container the group named in /proc may not be there, and its limits stand at the top.
    """
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, names, group = line.split(":", 2)
            if controller in names.split(","):
                mount = root / "sys/fs/cgroup" / (names if controller else "")
                folder = mount / group.lstrip("/")
                yield from [place for place in (folder, *folder.parents) if place.is_relative_to(mount)]
                return
    yield root / "sys/fs/cgroup" / controller


def _address_space() -> Iterator[int]:
    import resource  # Unix only

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        yield soft
