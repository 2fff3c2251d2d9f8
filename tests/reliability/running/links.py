"""Every name in a folder of ours replaced by a link to a precious file outside: what lies outside is never changed.

Who goes on in a folder with such a link may refuse it, naming the link, or put a file of its own in the link's place.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from commands import Done, one_by_one
from tally import Tally
from texts import lay_texts

from nanochat.errors import GuardError

_TINY = "--preset bigram --mode tensor --data corpus.txt --batch-size 2 --set eval_tokens=16".split()
_TRAIN = ["train", *_TINY, "--steps", "4", "--checkpoint-every", "2"]
_STUDY = ["ablate", *_TINY, "--steps", "2", "--jobs", "1", "--out", "x"]
_CACHED = [*_TRAIN, "--set", "data.cache=x", "--out", "r", "--force"]
_EXTRA = (
    ".lock",
    "log.txt",
    "metrics.jsonl",
    "evaluation.json",
    "evaluation.md",
    "report.md",
    "loss.png",
    "record.json",
)
"""Names that a folder may come to hold, where it holds them not yet."""

KINDS: dict[str, tuple[Sequence[str], Sequence[Sequence[str]]]] = {
    "a stopped run": (
        [*_TRAIN, "--out", "x", "--stop-at", "2"],
        [
            ["train", "--resume", "x"],
            [*_TRAIN, "--out", "x", "--force"],
            [*_TRAIN, "--out", "x", "--resume", "auto"],
            ["checkpoint", "prune", "x", "--keep-last", "1"],
        ],
    ),
    "a finished run": (
        [*_TRAIN, "--out", "x"],
        [["report", "x"], ["eval", "--run", "x"], [*_TRAIN, "--out", "x", "--force"]],
    ),
    "a study": (
        [*_STUDY, "--seeds", "1"],
        [[*_STUDY, "--seeds", "2"], [*_STUDY, "--seeds", "1", "--force"], ["report", "x"]],
    ),
    "a recipe": (
        ["train", "--recipe", "two.toml", "--out", "x"],
        [["train", "--recipe", "two.toml", "--out", "x"], ["train", "--recipe", "two.toml", "--out", "x", "--force"]],
    ),
    "a cache of tokens": (_CACHED, [_CACHED]),
    "a tokenizer": (
        ["tokenizer", "train", "--data", "corpus.txt", "--kind", "char", "--out", "x/t.json"],
        [["tokenizer", "train", "--data", "corpus.txt", "--kind", "char", "--out", "x/t.json", "--force"]],
    ),
}
"""Kind -> (how it is made, what is done to it)."""


def follow_no_link(scratch: Path, *, every: int = 1, seed: int = 0) -> Iterator[Tally]:
    """A tally for each kind of folder; of many cases one of `every`."""
    home = scratch / "home"
    for kind, (make, commands) in KINDS.items():
        tally = Tally(f"links in {kind}")
        with tally.timed():
            _lay_out(home, make, scratch)
            cases = [
                (name, precious, words)
                for name in _names(home / "x")
                for precious in ("its own content", "other content", "nothing yet")
                for words in commands
            ]
            for name, precious, words in cases[seed % every :: every]:
                _begin(scratch, home)
                link = home / "x" / name
                before = _replace(link, precious, scratch / "outside")
                (done,) = one_by_one([words], home, scratch / "logs")
                problem = _judge(tally, done, name, before, _look(scratch / "outside"))
                tally.add(problem, label=f"{name} is a link to {precious}: {' '.join(words)}")
        yield tally


def _lay_out(home: Path, make: Sequence[str], scratch: Path) -> None:
    for folder in (home, scratch / "whole"):
        shutil.rmtree(folder, ignore_errors=True)
    lay_texts(home)
    if make[0] == "tokenizer":
        (home / "x").mkdir()
    (done,) = one_by_one([make], home, scratch / "logs")
    if done.code:
        raise RuntimeError(f"the harness is wrong: {' '.join(make)} ends with {done.code}: {done.said}")
    shutil.copytree(home, scratch / "whole")


def _begin(scratch: Path, home: Path) -> None:
    shutil.rmtree(home)
    shutil.rmtree(scratch / "outside", ignore_errors=True)
    shutil.copytree(scratch / "whole", home)
    (scratch / "outside").mkdir()


def _names(folder: Path) -> list[str]:
    """Of its files and folders, one cell for all of them, and of what it may yet come to hold."""
    found = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*"))]
    cells = [name for name in found if name.startswith("cells/")]
    extra = _EXTRA if (folder / "config.json").exists() else (".lock", "samples.json", "report.md", "evaluation.json")
    return list(dict.fromkeys([*(name for name in found if name not in cells[1:]), *extra]))


def _replace(link: Path, precious: str, outside: Path) -> dict[str, bytes | None]:
    """The link in the place of what was there; what lies outside after that."""
    goal = outside / "precious"
    if precious == "its own content" and link.exists():
        shutil.move(link, goal)
    elif link.is_dir():
        shutil.rmtree(link)
    else:
        link.unlink(missing_ok=True)
    if precious == "other content":
        goal.write_bytes(b"precious\n")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(goal, link.parent))
    return _look(outside)


def _look(outside: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(outside).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(outside.rglob("*"))
    }


def _judge(
    tally: Tally, done: Done, name: str, before: dict[str, bytes | None], after: dict[str, bytes | None]
) -> str | None:
    if after != before:
        changed = sorted(
            part for part in before.keys() | after.keys() if before.get(part, b"?") != after.get(part, b"?")
        )
        return f"what lies outside has changed ({', '.join(changed)}), exit code {done.code}"
    if trouble := done.trouble():
        return trouble
    if done.code == 0:
        tally.count("went on, and nothing outside was touched")
        return None
    if done.code == GuardError.exit_code and " holds results already: " in done.said:
        tally.count("refused for what the folder holds, before anything in it was looked at")
        return None
    if not any(part in done.said for part in (Path(name).name, Path(name).parts[0])):
        return f"refused without naming it, exit code {done.code}: {done.said[-200:]}"
    tally.count("refused by name")
    return None
