"""Stderr that fails: closed, full, without a reader, hung up. Remarks are lost; the work is done, to the same bits."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from commands import Done, command_line, ended, started
from contents import contents_of, difference
from signals import lay_out
from tally import Tally

from nanochat.errors import NanochatError

_TINY = "--preset bigram --data corpus.txt --batch-size 2 --set eval_tokens=16".split()
_TRAIN = ["train", *_TINY, "--mode", "tensor", "--steps", "30", "--checkpoint-every", "10"]
COMMANDS: dict[str, Sequence[str]] = {
    "train": [*_TRAIN, "--sample-every", "1", "--out", "x"],
    "train, scalar": ["train", *_TINY, "--steps", "10", "--sample-every", "2", "--out", "x"],
    "train --from": ["train", "--from", "done", "--data", "corpus.txt", "--steps", "5", "--out", "x"],
    "train --recipe": ["train", "--recipe", "two.toml", "--out", "x"],
    "ablate": ["ablate", *_TINY, "--steps", "2", "--seeds", "1", "--jobs", "1", "--out", "x"],
    "ablate --jobs 2": ["ablate", *_TINY, "--steps", "2", "--seeds", "1", "--jobs", "2", "--out", "x"],
    "eval": ["eval", "--run", "done", "--out", "e"],
    "report": ["report", "done"],
    "checkpoint convert": ["checkpoint", "convert", "done", "m.json", "--force"],
    "sample": ["sample", "--run", "done", "--max-new-tokens", "2"],
    "certify": ["certify", "--preset", "bigram", "--out", "c"],
}
Ending = Callable[[Sequence[str], Path], Done]


def _into(words: Sequence[str], home: Path, goal: int) -> Done:
    return ended(started(words, home, stderr=goal), words)


def _full(words: Sequence[str], home: Path) -> Done:
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123
        return _into(words, home, full.fileno())


def _read_only(words: Sequence[str], home: Path) -> Done:
    with open(os.devnull, "rb") as goal:  # noqa: PTH123
        return _into(words, home, goal.fileno())


def _closed(words: Sequence[str], home: Path) -> Done:
    return _shell('exec "$@" 2>&-', words, home)


def _no_reader(words: Sequence[str], home: Path) -> Done:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return _into(words, home, writing)
    finally:
        os.close(writing)


def _reader_leaves(words: Sequence[str], home: Path) -> Done:
    """After the first bytes."""
    reading, writing = os.pipe()
    process = started(words, home, stderr=writing)
    os.close(writing)
    reader = threading.Thread(target=lambda: (os.read(reading, 10), os.close(reading)))
    reader.start()
    done = ended(process, words)
    reader.join()
    return done


def _hung_up(words: Sequence[str], home: Path) -> Done:
    """A terminal that is gone: EIO."""
    ours, theirs = os.openpty()
    os.close(ours)
    try:
        return _into(words, home, theirs)
    finally:
        os.close(theirs)


def _small_disk(words: Sequence[str], home: Path) -> Done:
    """A file on a disk of 4 KiB, which some lines fill."""
    script = 'mkdir -p "$0" && mount -t tmpfs -o size=4k none "$0" && exec "$@" 2> "$0/err"'
    return _shell(script, words, home, ("unshare", "--map-root-user", "--mount"), str(home / "disk"))


def _shell(script: str, words: Sequence[str], home: Path, before: Sequence[str] = (), name: str = "sh") -> Done:
    command = [*before, "sh", "-c", script, name, *command_line(words)]
    return ended(started(words, home, args=command), words)


ENDINGS: dict[str, Ending] = {
    "closed": _closed,
    "a full disk": _full,
    "nobody reads": _no_reader,
    "the reader leaves": _reader_leaves,
    "the terminal is gone": _hung_up,
    "not open for writing": _read_only,
    "a disk that fills": _small_disk,
}


def can_mount() -> bool:
    """This system lets us make a disk of our own."""
    with suppress(OSError):
        script = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
        return subprocess.run(script, capture_output=True, check=False).returncode == 0
    return False


def lose_remarks(scratch: Path, *, most: int = 0) -> Iterator[Tally]:
    """Every command with every ending of stderr, a tally each ending; or the first `most` of the commands."""
    home = scratch / "home"
    lay_out(home)
    chosen = dict(list(COMMANDS.items())[: most or None])
    expected = {}
    for name, words in chosen.items():
        with _fresh(home):
            done = ended(started(words, home), words)
            if done.code:
                raise RuntimeError(f"the harness is wrong: {name} ends with {done.code}: {done.said}")
            expected[name] = (contents_of(home / "x"), done.out)
    for ending, run in ENDINGS.items():
        tally = Tally(f"stderr: {ending}")
        if ending == "a disk that fills" and not can_mount():
            tally.facts["skipped"] = "no disk can be mounted here"
            yield tally
            continue
        with tally.timed():
            for name, words in chosen.items():
                with _fresh(home):
                    tally.add(_judge(run(words, home), home, *expected[name]), label=name)
        yield tally


@contextmanager
def _fresh(home: Path) -> Iterator[None]:
    for name in ("x", "e", "c"):
        shutil.rmtree(home / name, ignore_errors=True)
    yield


def _judge(done: Done, home: Path, contents: dict[str, str], out: bytes) -> str | None:
    if done.code:
        return f"exit code {done.code}: {done.said[-200:]}"
    if bool(done.out) != bool(out):
        return "it printed something else"
    try:
        differs = difference(contents, contents_of(home / "x"))
    except (NanochatError, OSError) as error:
        return f"damaged: {error}"
    return f"there differ: {differs}" if differs else None
