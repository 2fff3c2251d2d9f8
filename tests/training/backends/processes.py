"""Runs in several real processes on loopback, as torchrun would start them, without its price.

    python processes.py FOLDER

PyTorch is imported once, here, and every process is a fork of this one, which has computed nothing yet. The store at
which they meet is this process's own, on a port that the system chose. What each said and how it ended goes to
FOLDER/ended.json; test_processes.py reads it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.distributed as dist

import nanochat.engine.torch.accumulate
import nanochat.engine.torch.optim
import nanochat.models.gpt.torch  # noqa: F401
from nanochat.errors import NanochatError
from nanochat.training.folder.resume import plan_resume
from nanochat.training.resolve import resolve
from nanochat.training.run import run_training

torch.set_num_threads(1)
MODEL = {"n_layer": 1, "n_embd": 16, "n_head": 2, "block_size": 16}
TRAINING = {"batch_size": 2, "eval_every": 3, "eval_tokens": 2000, "steps": 6, "replicas": 1, "keep_last": 0}
PATIENCE_S = 120.0


class Team:
    """Processes of one run: `work` is called in each of them, with its rank."""

    ended: ClassVar[dict[str, list[tuple[int, str]]]] = {}
    """Exit code and last words of each, by the name of the team."""

    def __init__(self, name: str, n: int, work: Callable[[int], Any]) -> None:
        self.name, self.words = name, [Path.cwd() / f"{name}.{rank}.txt" for rank in range(n)]
        self.store = dist.TCPStore("127.0.0.1", 0, None, True, timedelta(seconds=60), wait_for_workers=False)
        self.pids = [self._start(rank, n, work) for rank in range(n)]

    def _start(self, rank: int, n: int, work: Callable[[int], Any]) -> int:
        pid = os.fork()
        if pid:
            return pid
        if n > 1:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(n)}
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(self.store.port)}
            os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"  # it is there already
        try:
            work(rank)
        except NanochatError as error:
            self.words[rank].write_text(str(error), encoding="utf-8")
            os._exit(error.exit_code)
        except BaseException as error:  # noqa: BLE001  (a fork must not go on as its parent)
            self.words[rank].write_text(repr(error), encoding="utf-8")
            os._exit(1)
        os._exit(0)

    def wait(self) -> None:
        """Until all have ended: note how."""
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in self.pids]
        said = [path.read_text(encoding="utf-8") if path.exists() else "" for path in self.words]
        Team.ended[self.name] = list(zip(codes, said, strict=True))

    def kill(self, rank: int, once: Path) -> None:
        """One of them, in the middle of the run, when the file is there."""
        end = time.monotonic() + PATIENCE_S
        while not once.exists() and time.monotonic() < end:
            time.sleep(0.05)
        os.kill(self.pids[rank], signal.SIGKILL)


def train(name: str, *, seed: int = 1337, deterministic: bool = False, data: Any = (), **training: Any) -> None:
    """A run in the folder of that name."""
    place = {"backend": "torch", "device": "cpu", "deterministic": deterministic, "seed": seed}
    settings = {"model": MODEL, "training": {**TRAINING, **training}, "data": dict(data)}
    config = resolve({"preset": "nanogpt-cpu", **settings, **place})
    run_training(config, out=Path(name))


def on_another_machine(rank: int) -> None:
    """The same words, and another text under the same name."""
    os.chdir(f"machine-{rank}")
    train("run", grad_accum=2, data={"source": "text.txt"})


def work() -> None:
    """What test_processes.py asks about."""
    for name, n in (("one", 1), ("two", 2)):
        Team(name, n, lambda rank, name=name: train(name, grad_accum=2)).wait()
    for name, n in (("one-of-four", 1), ("two-of-four", 2), ("four-of-four", 4)):
        Team(name, n, lambda rank, name=name: train(name, grad_accum=4, deterministic=True)).wait()
    Team("four-fast", 4, lambda rank: train("four-fast", grad_accum=4)).wait()
    middle = Path("two-of-four/checkpoints/step-00000003")
    Team("resumed", 4, lambda rank: run_training(resume=plan_resume(middle, out=Path("resumed")))).wait()
    for dead in (0, 1):
        name = f"without-{dead}"
        long = {"grad_accum": 2, "steps": 1_000_000, "checkpoint_every": 5, "keep_last": 2, "eval_every": 0}
        team = Team(name, 2, lambda rank, name=name, long=long: train(name, **long))
        team.kill(dead, once=Path(name, "checkpoints/step-00000010/MANIFEST.json"))
        team.wait()
    last = max(int(folder.name[5:]) for folder in Path("without-1/checkpoints").glob("step-*"))
    Team("went-on", 1, lambda rank: run_training(resume=Path("without-1"), stop_at=last + 2)).wait()
    Team("seeds", 2, lambda rank: train("seeds", grad_accum=2, seed=rank)).wait()
    for rank in range(2):
        Path(f"machine-{rank}").mkdir()
        Path(f"machine-{rank}/text.txt").write_text(f"the text of machine {rank}\n" * 40, encoding="utf-8")
    Team("texts", 2, on_another_machine).wait()
    Path("ended.json").write_text(json.dumps(Team.ended), encoding="utf-8")


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    work()
