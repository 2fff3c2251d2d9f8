"""Paths of any bytes in any locale, through every command that takes a path.

Taken, or refused in a sentence; never a traceback, and whatever was written is UTF-8, JSON where it says so, and holds
no character that a terminal or a viewer of Markdown would obey.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from commands import Done, in_locale
from tally import Tally
from texts import lay_texts

_OLD = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LOCALES: dict[str, dict[str, str]] = {
    "UTF-8": {"LC_ALL": "C.UTF-8"},
    "POSIX, no UTF-8": {"LC_ALL": "POSIX", **_OLD},
    "POSIX, stdio in Latin-1": {"LC_ALL": "C", "PYTHONIOENCODING": "latin-1", **_OLD},
}
NAMES: dict[str, bytes] = {
    "plain": b"plain",
    "one byte that is no UTF-8": b"a\xffb",
    "Latin-1": b"caf\xe9",
    "an accent": "caf\u00e9".encode(),
    "Chinese and an emoji": "\u65e5\u672c\U0001f600".encode(),
    "mathematics": b"q$a^^b$",
    "an open brace": rb"p$\frac{$",
    "Markdown": b"a|b`c`<b>*x*[y](z)",
    "a terminal's escape": b"e\x1b[31mred\x1b]0;t\x07",
    "right to left": "r\u202eabc\u2066".encode(),
    "a line end": b"one\ntwo",
    "spaces and quotes": b" a 'b' \"c\" ",
    "a shell's": b"$(reboot);%s{0}#~",
    "a lone surrogate": b"s\xed\xa0\x80",
}
_OBEYED = re.compile("[\x1b\x07\u202a-\u202e\u2066-\u2069]")
_TINY = b"--preset bigram --batch-size 2 --steps 2 --checkpoint-every 1 --set eval_tokens=16".split()
_STUDY = b'[axes]\nlr = [0.01, 0.1]\n[base]\npreset = "bigram"\ntraining.steps = 1\n'


def commands(name: bytes) -> list[list[bytes]]:
    """Every command that takes a path, each with a path of that name, in an order in which each finds what it needs."""
    text, run, train = name + b".txt", b"r-" + name, [b"train", *_TINY]
    ablate = [b"ablate", b"--seeds", b"1", b"--jobs", b"1"]
    return [
        [*train, b"--data", b"corpus.txt", b"--out", run],
        [*train, b"--data", text, b"--out", b"of-a-text", b"--force"],
        [b"tokenizer", b"train", b"--data", text, b"--kind", b"char", b"--out", name + b".json", b"--force"],
        [*train, b"--data", b"corpus.txt", b"--tokenizer", name + b".json", b"--out", b"of-a-tokenizer", b"--force"],
        [*train, b"--data", b"corpus.txt", b"--set", b"data.cache=c-" + name, b"--out", b"cached", b"--force"],
        [*train, b"--config", name + b".toml", b"--data", b"corpus.txt", b"--out", b"of-a-config", b"--force"],
        [b"train", b"--from", run, b"--steps", b"1", b"--data", b"corpus.txt", b"--out", b"from", b"--force"],
        [b"train", b"--resume", run, b"--override", b"--steps", b"3"],
        [b"train", b"--resume", run, b"--override", b"--steps", b"4", b"--out", b"b-" + name],
        [b"sample", b"--run", run, b"--max-new-tokens", b"2"],
        [b"eval", b"--run", run],
        [b"eval", b"--run", run, b"--data", text, b"--out", b"e-" + name],
        [b"report", run],
        [b"runs", b"list", b"--root", b"."],
        [b"runs", b"compare", run, b"of-a-text", b"--figure", name + b".png"],
        [b"checkpoint", b"inspect", run],
        [b"checkpoint", b"verify", run],
        [b"checkpoint", b"convert", run, name + b".safetensors", b"--force"],
        [b"checkpoint", b"diff", run, name + b".safetensors"],
        [b"checkpoint", b"prune", run, b"--keep-last", b"1"],
        [b"sample", b"--run", name + b".safetensors", b"--max-new-tokens", b"2"],
        [*ablate, b"--data", text, b"--study", name + b".s.toml", b"--out", b"a-" + name],
        [b"report", b"a-" + name],
        [b"train", b"--recipe", name + b".r.toml", b"--out", b"p-" + name],
        [b"data", b"validate", text],
        [b"data", b"stats", text],
        [b"data", b"convert", text, name + b".jsonl", b"--force"],
        [b"tokenizer", b"inspect", name + b".json"],
        [b"tokenizer", b"encode", b"abc", b"--tokenizer", name + b".json"],
        [b"graph", b"a*b", b"a=1", b"b=2", b"--out", name + b".svg"],
    ]


def anywhere(scratch: Path, *, every: int = 1, locales: Iterable[str] = LOCALES) -> Iterator[Tally]:
    """A tally for each locale; of the names one of `every`, and where the locale is an old one of twice as many."""
    for number, (locale, changes) in enumerate(LOCALES.items()):
        if locale not in locales:
            continue
        step = every * (2 if "PYTHONUTF8" in changes else 1)
        tally = Tally(f"paths of any bytes, {locale}")
        with tally.timed():
            for name, raw in list(NAMES.items())[number % step :: step]:
                home = scratch / "home"
                _lay_out(home, raw)
                for done in in_locale(commands(raw), home, scratch, changes):
                    tally.count(f"exit code {done.code}")
                    label = f"{name}: {' '.join(done.words)}".encode("utf-8", "backslashreplace").decode()[:200]
                    tally.add(_judge(done, raw), label=ascii(label))
                for path, problem in _written(home):
                    tally.add(problem, label=f"{name}: {path!a}")
        yield tally


def _lay_out(home: Path, name: bytes) -> None:
    shutil.rmtree(home, ignore_errors=True)
    lay_texts(home)
    recipe = (home / "two.toml").read_bytes()
    text = b"abcabdabcabcabd\n" * 30
    for path, content in (
        (name + b".txt", text),
        (name + b".toml", b"seed = 3\n"),
        (name + b".s.toml", _STUDY),
        (name + b".r.toml", recipe),
    ):
        Path(os.fsdecode(os.fsencode(home) + b"/" + path)).write_bytes(content)


def _judge(done: Done, raw: bytes) -> str | None:
    """What no command may do; a name that is nothing strange is not refused, either."""
    if trouble := done.trouble():
        return trouble
    if done.code not in (0, 2, 3, 4, 5):
        return f"exit code {done.code}: {done.said[-200:]}"
    if raw.isalnum() and done.code:
        return f"refused, exit code {done.code}: {done.said[-200:]}"
    if _OBEYED.search(done.said):
        return f"stderr gives orders to the terminal: {_OBEYED.search(done.said)!a}"
    return None


def _written(home: Path) -> Iterator[tuple[str, str | None]]:
    """(file, what is wrong with it) of every document of text."""
    for path in sorted(home.rglob("*")):
        if path.suffix not in (".md", ".json", ".jsonl", ".csv", ".txt", ".svg") or not path.is_file():
            continue
        yield os.fsdecode(path.relative_to(home)), _of_document(path)


def _of_document(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            text = repr(json.loads(text)) if text else ""
        elif path.suffix == ".jsonl":
            [json.loads(line) for line in text.splitlines()]
    except ValueError as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    if path.suffix == ".md" and (found := _OBEYED.search(text)):
        return f"{found[0]!a} stands in it"
    return None
