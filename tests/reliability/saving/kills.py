"""R1: processes that save are killed with SIGKILL, at random moments and before every single call; nothing is lost.

A child is forked from this warm process (20 ms instead of a second), saves one version after the other and says so
on a pipe after each. What it has said is acknowledged: that version, or a newer one, has to be found whole.
"""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from calls import temporary_files
from faults import Faults
from tally import Tally

from nanochat.errors import NanochatError

CAN_FORK = hasattr(os, "fork") and hasattr(signal, "SIGKILL")
_LONGEST_S = 60.0


@dataclass(frozen=True)
class Saver:
    """Something that is saved in versions 1, 2, 3, ... in one folder."""

    name: str
    save: Callable[[Path, int], None]
    newest: Callable[[Path], int]
    """The version that is found, every bit of it checked; 0 where there is none. Raises NanochatError on damage."""


def kill_at_random(saver: Saver, folder: Path, n_trials: int, seed: int = 0) -> Tally:
    """Each trial goes on in the folder that the one before left, as a run does that is started again."""
    tally, rng = Tally(saver.name), random.Random(f"{seed} {saver.name}")
    _empty(folder)
    with tally.timed():
        start = time.perf_counter()
        saver.save(folder, 1)
        one_save_s, acknowledged = time.perf_counter() - start, 1
        for trial in range(n_trials):
            first = acknowledged + 1
            said, is_saving, trouble = _killed_child(saver, folder, first, rng.uniform(0, 2.5 * one_save_s))
            acknowledged = max(acknowledged, said)
            tally.count("inside a save" if is_saving else "between saves")
            found, problem = _check(saver, folder, acknowledged)
            tally.add(trouble or problem, label=f"kill {trial}")
            acknowledged = max(acknowledged, found)
        saver.save(folder, acknowledged + 1)
        if left := temporary_files(folder):
            tally.add(f"after the next save there are still {left}")
    return tally


def kill_before_every_call(saver: Saver, folder: Path) -> Tally:
    """One process for each call that saving version 2 makes, ended before it; then another that saves version 3."""
    tally = Tally(saver.name)
    with tally.timed():
        _empty(folder)
        saver.save(folder, 1)
        with Faults(folder) as counted:
            saver.save(folder, 2)
        for at, (call, name) in enumerate(counted.calls, 1):
            _empty(folder)
            saver.save(folder, 1)
            pid = fork(lambda at=at: _save_until(saver, folder, at))
            _, status = os.waitpid(pid, 0)
            problem = None if os.WIFSIGNALED(status) else "the child was not killed: the harness is wrong"
            problem = problem or _check(saver, folder, 1)[1]
            if problem is None:
                saver.save(folder, 3)
                problem = _check(saver, folder, 3)[1]
                if left := temporary_files(folder):
                    problem = f"after the next save there are still {left}"
            tally.add(problem, label=f"killed before call {at}, {call} {name}")
        tally.facts["calls"] = len(counted.calls)
    return tally


def _save_until(saver: Saver, folder: Path, at: int) -> None:
    with Faults(folder, at=at, kind="kill"):
        saver.save(folder, 2)


def _check(saver: Saver, folder: Path, acknowledged: int) -> tuple[int, str | None]:
    """(the version that is found, what is wrong with that)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a damaged one that is passed over is a failure here: none may be damaged
            found = saver.newest(folder)
    except (NanochatError, Warning) as error:
        return 0, f"damaged: {error}"
    return found, None if found >= acknowledged else f"version {acknowledged} was acknowledged, {found} is found"


def _killed_child(saver: Saver, folder: Path, first: int, delay_s: float) -> tuple[int, bool, str | None]:
    """(last version acknowledged, whether it died while saving, what went wrong before that)."""
    reading, writing = os.pipe()

    def work() -> None:
        os.close(reading)
        try:
            for version in range(first, first + 1_000_000):
                os.write(writing, b"begin %d\n" % version)
                saver.save(folder, version)
                os.write(writing, b"saved %d\n" % version)
        except BaseException:  # noqa: BLE001
            os.write(writing, b"trouble " + traceback.format_exc()[-2000:].encode().replace(b"\n", b" | ") + b"\n")

    pid = fork(work)
    os.close(writing)
    received = b""
    ready, _, _ = select.select([reading], [], [], _LONGEST_S)  # the first begin: from here on the delay counts
    if ready:
        received = os.read(reading, 1 << 16)
    end = time.perf_counter() + delay_s
    while (left := end - time.perf_counter()) > 0:
        if select.select([reading], [], [], left)[0]:
            received += os.read(reading, 1 << 16)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while more := os.read(reading, 1 << 16):
        received += more
    os.close(reading)
    lines = received.decode().splitlines()
    trouble = next((line for line in lines if line.startswith("trouble")), None)
    said = max((int(line.split()[1]) for line in lines if line.startswith("saved")), default=0)
    return said, bool(lines) and lines[-1].startswith("begin"), trouble


def fork(work: Callable[[], None]) -> int:
    """The number of a child that does this and ends; it never comes back from here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child calls nothing that other threads could hold
        pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(1)
    return pid


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
