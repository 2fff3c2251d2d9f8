"""R7: stopped, resumed and compared bit by bit; the configurations are those of tests/training/folder/resume_cases.py.

Stopped once where each configuration says; stopped again and again; and killed with SIGKILL at random moments, as often
as it takes.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
import warnings
from contextlib import suppress
from pathlib import Path

from kills import CAN_FORK, fork
from resume_cases import check, configurations, differences
from tally import Tally

from nanochat.checkpoints.directory import list_checkpoints
from nanochat.errors import NanochatError, NanochatWarning
from nanochat.training.config import RunConfig
from nanochat.training.run import run_training

_KILLS = 3


def resume_once(scratch: Path, *, most: int = 0) -> Tally:
    """Each configuration with its stop; of many `most`, evenly spread, where that is not 0."""
    tally, cases = Tally("configurations, each stopped once"), list(configurations())
    with tally.timed():
        for name, config, stop in cases[:: max(1, len(cases) // most)] if most else cases:
            tally.add(_trouble(config, stop, _empty(scratch)), label=name)
    return tally


def resume_often(scratch: Path, *, every: int = 12) -> Tally:
    """One configuration of `every`, stopped three times, at one place twice."""
    tally = Tally("configurations, each stopped three times")
    with tally.timed():
        for name, config, _ in list(configurations())[::every]:
            tally.add(_trouble(config, (1, 3, 3), _empty(scratch)), label=name)
    return tally


def resume_killed(scratch: Path, n_runs: int, seed: int = 0) -> Tally:
    """Runs killed up to three times, then carried to their end: equal to a run that nobody disturbed."""
    tally, rng, cases = Tally("runs killed with kill -9 while training"), random.Random(seed), list(configurations())
    with tally.timed():
        for i in range(n_runs if CAN_FORK else 0):
            name, config, _ = cases[(i * 37) % len(cases)]
            folder = _empty(scratch)
            start = time.perf_counter()
            run_training(config, out=folder / "whole")
            whole_s = time.perf_counter() - start
            for _ in range(rng.randint(1, _KILLS)):
                _train_and_kill(config, folder / "parts", rng.uniform(0, 1.1 * whole_s), tally)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", NanochatWarning)
                    _go_on(config, folder / "parts")
                found = differences(folder / "whole", folder / "parts")
            except (NanochatError, NanochatWarning) as error:
                found = [f"{type(error).__name__}: {error}"]
            tally.add(", ".join(found) or None, label=f"run {i}, {name}")
    return tally


def _trouble(config: RunConfig, stop: int | tuple[int, ...], folder: Path) -> str | None:
    try:
        check(config, stop, folder)
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {str(error)[:300]}"
    return None


def _go_on(config: RunConfig, out: Path) -> None:
    """From the newest checkpoint, or from the beginning where there is none yet."""
    if list_checkpoints(out / "checkpoints"):
        run_training(resume=out)
    else:
        run_training(config, out=out)


def _train_and_kill(config: RunConfig, out: Path, delay_s: float, tally: Tally) -> None:
    pid = fork(lambda: _go_on(config, out))
    time.sleep(delay_s)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    tally.count("killed at work" if os.WIFSIGNALED(status) else "done before the kill")


def _empty(scratch: Path) -> Path:
    folder = scratch / "resume"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
