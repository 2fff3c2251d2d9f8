"""R5: small files that ask for much, and paths that are no files. Each is refused at once, in one typed sentence.

What is measured is the time and the memory that refusing takes; bombs_tensors.py, bombs_folders.py and bombs_text.py
hold the bombs.
"""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tally import Hang, Tally, limited

from nanochat.errors import NanochatError
from nanochat.machine import forget_peak, peak_bytes, resident_bytes

LONGEST_S = 0.1
MOST_BYTES = 32 << 20
_BOUND_BYTES = 1 << 29
_TRIES = 3
"""The fastest of these counts, since a busy machine makes anything slow."""


class Bomb(NamedTuple):
    """What it is, how it is laid into an empty folder, and how somebody walks into it."""

    name: str
    lay: Callable[[Path], object]
    walk: Callable[[Path], object]


def lay_file(name: str, content: bytes) -> Callable[[Path], object]:
    """A file of that name."""
    return lambda folder: (folder / name).write_bytes(content)


def explode(name: str, bombs: Iterable[Bomb], scratch: Path) -> Tally:
    """Lay each and walk into it."""
    tally = Tally(name)
    for bomb, lay, walk in bombs:
        folder = scratch / "bomb"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        lay(folder)
        with tally.timed():
            results = [_walk_in(walk, folder) for _ in range(_TRIES)]
            problems = [problem for problem, _, _ in results if problem]
            seconds, n_bytes = (min(result[i] for result in results) for i in (1, 2))
            tally.most("slowest ms", round(seconds * 1e3, 1))
            tally.most("most MB", round(n_bytes / 1e6, 1))
            if seconds > LONGEST_S:
                problems.append(f"refused after {seconds * 1e3:.0f} ms")
            if n_bytes > MOST_BYTES:
                problems.append(f"refused after {n_bytes / 1e6:.0f} MB of memory")
            tally.add("; ".join(dict.fromkeys(problems)) or None, label=bomb)
    return tally


def _walk_in(walk: Callable[[Path], object], folder: Path) -> tuple[str | None, float, int]:
    """(what was wrong, seconds, bytes of memory more than before)."""
    before = resident_bytes() or 0
    forget_peak()
    start = time.process_time()  # of the processor: others may be at work
    problem: str | None = "it is accepted"
    try:
        with limited(10.0), _bounded_memory(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            walk(folder)
    except NanochatError as error:
        problem = None if len(str(error)) < 2000 else "no sentence"
    except Hang:
        problem = "it hangs"
    except BaseException as error:  # noqa: BLE001
        problem = f"{type(error).__name__}: {str(error)[:200]}"
    return problem, time.process_time() - start, max(0, peak_bytes() - before) if before else 0


@contextmanager
def _bounded_memory() -> Iterator[None]:
    """A bomb that goes off ends in MemoryError, not in the end of this process; where the system knows limits."""
    status = Path("/proc/self/statm")
    if not status.exists():
        yield
        return
    import resource

    limits = resource.getrlimit(resource.RLIMIT_AS)
    here = int(status.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (here + _BOUND_BYTES, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
