"""SIGINT, SIGTERM and SIGHUP from the first millisecond on: the right exit code, no traceback, a folder to go on with.

A signal that comes before the first line of ours is Python's own to answer: where a traceback names no file of the
package and nothing was written yet, the trial is counted apart.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commands import Done, ended, one_by_one, started
from contents import Contents, contents_of, difference
from tally import Tally
from texts import lay_texts

import nanochat
from nanochat.errors import NanochatError

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_OURS = str(Path(str(nanochat.__file__)).parent) + os.sep
_DATA = "--data corpus.txt --batch-size 2 --set eval_tokens=16".split()
_TRAIN = ["train", "--preset", "bigram", "--mode", "tensor", *_DATA, "--steps", "150", "--checkpoint-every", "25"]


@dataclass(frozen=True)
class Target:
    """A command to interrupt; `again` carries the folder `x` to its end, and is empty where there is none."""

    name: str
    words: Sequence[str]
    again: Sequence[str] = ()


_RECIPE = ["train", "--recipe", "two.toml", "--out", "x"]
_SWEEP = ["ablate", "--preset", "bigram", *_DATA, "--steps", "10", "--seeds", "1", "--out", "x"]
_TOKENIZER = "tokenizer train --data corpus.txt --kind bpe --vocab-size 300 --out t.json".split()
TARGETS = (
    Target("train", [*_TRAIN, "--out", "x"], [*_TRAIN, "--resume", "auto", "--out", "x"]),
    Target("train --recipe", _RECIPE, _RECIPE),
    Target("ablate --jobs 2", [*_SWEEP, "--jobs", "2"], [*_SWEEP, "--jobs", "1"]),
    Target("sample", ["sample", "--run", "done", "--n-samples", "200"]),
    Target("train --help", ["train", "--help"]),
    Target("tokenizer train", _TOKENIZER),
)
_SHARES = (6, 2, 2, 2, 1, 1)
"""Of the trials that each of them gets."""


def lay_out(home: Path) -> None:
    """A corpus, a recipe and a finished run."""
    shutil.rmtree(home, ignore_errors=True)
    lay_texts(home)
    (done,) = one_by_one([[*_TRAIN, "--out", "done"]], home, home / "logs")
    if done.code:
        raise RuntimeError(f"the harness is wrong: {done.said}")


def interrupt(scratch: Path, n_trials: int, seed: int = 0) -> Tally:
    """Two thirds of the signals come within the first 600 ms, the others up to the end of an undisturbed command."""
    tally, lot, home = Tally("a signal at any moment"), random.Random(seed), scratch / "home"
    lay_out(home)
    alone: dict[str, tuple[Contents, float]] = {}
    targets = [target for target, share in zip(TARGETS, _SHARES, strict=True) for _ in range(share)]
    with tally.timed():
        for i in range(n_trials):
            target, name = targets[i % len(targets)], SIGNALS[i % len(SIGNALS)]
            if target.name not in alone:
                alone[target.name] = _undisturbed(target, home)
            expected, whole_s = alone[target.name]
            delay_s = lot.uniform(0, 0.6) if i % 3 else lot.uniform(0.6, max(0.7, whole_s))
            done = _signalled(target, home, getattr(signal, name), delay_s)
            tally.add(
                _judge(tally, target, done, name, home, expected), label=f"{target.name}, {name} after {delay_s:.3f} s"
            )
    return tally


def _undisturbed(target: Target, home: Path) -> tuple[Contents, float]:
    """(what is in the folder in the end, seconds)."""
    shutil.rmtree(home / "x", ignore_errors=True)
    start = time.perf_counter()
    done = ended(started(target.words, home), target.words)
    if done.code:
        raise RuntimeError(f"the harness is wrong: {target.name} ends with {done.code}: {done.said}")
    (home / "t.json").unlink(missing_ok=True)
    return contents_of(home / "x"), time.perf_counter() - start


def _signalled(target: Target, home: Path, number: int, delay_s: float) -> Done:
    """As a terminal does it: to every process of the command."""
    shutil.rmtree(home / "x", ignore_errors=True)
    (home / "t.json").unlink(missing_ok=True)
    process = started(target.words, home, start_new_session=True)
    time.sleep(delay_s)
    if process.poll() is None:
        os.killpg(process.pid, number)
    return ended(process, target.words)


def _judge(tally: Tally, target: Target, done: Done, name: str, home: Path, expected: Contents) -> str | None:
    number = getattr(signal, name)
    is_shown = "Traceback" in done.said or "Exception ignored" in done.said
    has_begun = (home / "x").exists()
    lines = [line.strip() for line in done.said.splitlines() if line.strip()]
    places = [line for line in lines if line.startswith("File") and _OURS in line and "site-packages" not in line]
    if is_shown and not has_begun and not places and not done.out:
        tally.count("in Python's own start-up")
        return None
    if is_shown:
        place = places[-1].replace(_OURS, "") if places else "no file of ours"
        return f"a traceback, exit code {done.code}: {lines[-1][:150]}, {place}"
    if done.code == -number and not has_begun:
        tally.count("ended by the signal itself, before anything was written")
    elif done.code == 128 + number:
        tally.count("interrupted")
    elif done.code == 0:
        tally.count("finished")
    else:
        return f"exit code {done.code}: {done.said[-200:]}"
    return _go_on(target, home, expected)


def _go_on(target: Target, home: Path, expected: Contents) -> str | None:
    """Carry the folder to its end: it has to be what it would have been without a signal."""
    if not target.again or not (home / "x").exists():
        return None
    (done,) = one_by_one([target.again], home, home / "logs")
    if done.trouble() or done.code:
        return f"it cannot go on: {done.trouble() or done.code}: {done.said[-200:]}"
    try:
        differs = difference(expected, contents_of(home / "x"))
    except (NanochatError, OSError) as error:
        return f"damaged: {error}"
    return f"once gone on with, it differs in {differs}" if differs else None
