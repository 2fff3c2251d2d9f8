"""Readers and pruners in loops beside a training: it ends as it would have alone, and none of them sees damage."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from commands import Done, run_here, together, warm
from contents import contents_of, difference, left_behind
from kills import fork
from pairs import CORRUPT, REFUSALS
from tally import Tally
from texts import lay_texts

from nanochat.errors import NanochatError

LOOPS: dict[str, Sequence[str]] = {
    "checkpoint prune": ["checkpoint", "prune", "x", "--keep-last", "1"],
    "checkpoint verify": ["checkpoint", "verify", "x"],
    "checkpoint inspect": ["checkpoint", "inspect", "x"],
    "checkpoint convert": ["checkpoint", "convert", "x", "m.safetensors", "--force"],
    "sample": ["sample", "--run", "x", "--max-new-tokens", "2"],
    "report": ["report", "x"],
    "eval": ["eval", "--run", "x", "--out", "e"],
    "runs list": ["runs", "list", "--root", "."],
}
_TRAIN = (
    "train --preset bigram --mode tensor --data ../corpus.txt --batch-size 2 --set eval_tokens=16 --eval-every 20 "
    "--checkpoint-every 2 --keep-last 3 --out x"
).split()


def beside_a_training(scratch: Path, *, n_runs: int, steps: int = 400, seed: int = 0) -> Tally:
    """Trainings, each with two or three loops beside it; a case is a call of a loop, or a training."""
    tally, lot = Tally("readers and pruners in loops beside a training"), random.Random(seed)
    home, logs = scratch / "home", scratch / "logs"
    warm()
    shutil.rmtree(scratch, ignore_errors=True)
    home.mkdir(parents=True)
    lay_texts(scratch)
    train = [*_TRAIN, "--steps", str(steps)]
    with tally.timed():
        _expect_0(together([train], home, logs))
        alone = contents_of(home / "x")
        for i in range(n_runs):
            shutil.rmtree(home)
            home.mkdir()
            names = [list(LOOPS)[i % len(LOOPS)], *lot.sample(sorted(LOOPS), lot.choice((1, 2)))]
            loops = [_begin_loop(LOOPS[name], home, scratch / f"loop-{j}") for j, name in enumerate(names)]
            for j, pid in enumerate(loops):
                _await_first_call(pid, scratch / f"loop-{j}")
            (done,) = together([train], home, logs)
            for pid in loops:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            for j, name in enumerate(names):
                _count_calls(tally, name, scratch / f"loop-{j}")
            if not done.code:  # what a prune had begun to remove when it was killed, the next one removes
                _expect_0(together([["checkpoint", "prune", "x", "--keep-last", "3"]], home, logs))
            tally.add(_of_training(done, alone, home), label=f"training {i}, beside {', '.join(names)}")
    return tally


def _of_training(done: Done, alone: dict[str, str], home: Path) -> str | None:
    if done.trouble() or done.code:
        return done.trouble() or f"exit code {done.code}: {done.said[-300:]}"
    try:
        found = contents_of(home / "x")
    except (NanochatError, OSError) as error:
        return f"damaged: {error}"
    cut_off = (".png.", ".md.")  # of a report that was killed in the middle of a call
    left = [name for name in left_behind(home / "x") if not any(part in name for part in cut_off)]
    return difference(alone, found) or (f"left behind: {', '.join(left)}" if left else None)


def _begin_loop(words: Sequence[str], folder: Path, log: Path) -> int:
    """The number of a process that makes this call again and again, and writes down how each of them ended."""

    def work() -> None:
        os.chdir(folder)
        goal, said = (os.open(log.with_suffix(end), os.O_RDWR | os.O_CREAT | os.O_TRUNC) for end in (".jsonl", ".err"))
        os.dup2(said, 1)
        os.dup2(said, 2)
        import sys

        while True:
            sys.stdout = sys.stderr = open(2, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
            os.ftruncate(said, 0)
            os.lseek(said, 0, os.SEEK_SET)
            code = run_here(words)
            text = os.pread(said, 4000, 0).decode("utf-8", "replace")
            os.write(goal, json.dumps([code, text[-600:]]).encode() + b"\n")
            time.sleep(0.001)

    return fork(work)


def _await_first_call(pid: int, log: Path) -> None:
    """A training of a second may be over before a loop on a busy machine begins."""
    while not (log.with_suffix(".jsonl").exists() and log.with_suffix(".jsonl").stat().st_size):
        if os.waitpid(pid, os.WNOHANG)[0]:
            raise RuntimeError("the harness is wrong: a loop has ended before its first call")
        time.sleep(0.001)


def _count_calls(tally: Tally, name: str, log: Path) -> None:
    for line in log.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines():
        code, text = json.loads(line)
        done = Done((name,), code, b"", text.encode())
        problem = done.trouble()
        if problem is None and code not in (0, *REFUSALS):
            problem = f"exit code {code}: {text[-300:]}"
        if problem is None and any(word in text for word in CORRUPT):
            problem = f"it saw damage: {text[-300:]}"
        tally.count(name)
        tally.add(problem, label=name)


def _expect_0(done: Sequence[Done]) -> None:
    if any(one.code for one in done):
        raise RuntimeError(f"the harness is wrong: alone, {done[0].words} ends with {done[0].code}: {done[0].said}")
