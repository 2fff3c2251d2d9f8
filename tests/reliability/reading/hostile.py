"""Carries the texts of hostile_text.py through its doors and through the command line, and invents more of them."""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from hostile_text import TEXTS, through_every_door
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from samples import tiny_run
from tally import Hang, Tally, limited

from nanochat.cli.app import main
from nanochat.errors import NanochatError, NanochatWarning
from nanochat.training.run import run_training

LONGEST_S = 20.0
_ANY = st.characters(exclude_categories=())
_NASTY = "\0\t\n\r\x0b\x1b \"',<>|_</s>a\u00e9\u0300\u200d\u2028\u202e\ufeff\ufffd\U0001f600\ud800\udfff"
TEXT_OR_BYTES = st.text(_ANY) | st.text(st.sampled_from(_NASTY), max_size=40) | st.binary()


def named_texts(folder: Path) -> Tally:
    """Every text of the table through every door."""
    tally = Tally("texts of the table, through tokenizers and readers")
    with tally.timed():
        for name, text in TEXTS.items():
            for door, walk in through_every_door(text, folder):
                tally.add(outcome(walk, tally), label=f"{name} -> {door}")
    tally.facts["texts"] = len(TEXTS)
    return tally


def invented_texts(n: int, folder: Path) -> Tally:
    """n texts of Hypothesis, each through every door; what fails is shortened to its essence."""
    tally = Tally("invented texts, through tokenizers and readers")

    @settings(
        max_examples=n,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(TEXT_OR_BYTES)
    def carry(text: str | bytes) -> None:
        tally.n += 1
        for door, walk in through_every_door(text, folder):
            problem = outcome(walk, tally)
            assert problem is None, f"{text!r:.200} -> {door}: {problem}"

    with tally.timed():
        try:
            carry()
        except AssertionError as error:
            tally.add(str(error).splitlines()[0])
    return tally


def outcome(walk: Callable[[], object], tally: Tally) -> str | None:
    """What was wrong with what came out of a door."""
    start = time.perf_counter()
    try:
        with limited(LONGEST_S), warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", NanochatWarning)
            walk()
    except NanochatError as error:
        tally.count("refused")
        return None if len(str(error)) <= 2000 else f"no sentence: {str(error)[:200]}"
    except (Exception, Hang) as error:  # noqa: BLE001
        return f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        tally.most("slowest ms", round((time.perf_counter() - start) * 1e3))
    tally.count("taken")
    return None


def on_the_command_line(scratch: Path, *, every: int = 1) -> Tally:
    """Every text of the table, or one of `every`, as a prompt, a corpus, a name, and in a file of settings."""
    tally = Tally("texts of the table, on the command line")
    run = scratch / "run"
    run_training(tiny_run(scratch / "corpus.txt"), out=run)
    with tally.timed():
        for name, text in list(TEXTS.items())[::every]:
            for words in _commands(text, run, scratch):
                tally.add(_run(words, tally), label=f"{name} -> {' '.join(words[:3])[:80]}")
    return tally


def _commands(text: str | bytes, run: Path, scratch: Path) -> Iterator[list[str]]:
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    for name in ("d.txt", "d.json", "d.csv"):
        (scratch / name).write_bytes(raw)
        train = ["train", "--preset", "bigram", "--steps", "1", "--batch-size", "2", "--set", "eval_tokens=16"]
        yield [*train, "--data", str(scratch / name), "--out", str(scratch / "out"), "--force"]
    (scratch / "c.toml").write_bytes(raw)
    yield ["train", "--config", str(scratch / "c.toml"), "--dry-run"]
    yield ["ablate", "--study", str(scratch / "c.toml"), "--dry-run"]
    if isinstance(text, bytes):
        return
    short = text[:2000]
    for unknown in ("error", "skip"):
        yield ["sample", "--run", str(run), "--prompt", short, "--max-new-tokens", "2", "--unknown", unknown]
    yield ["sample", "--run", short, "--max-new-tokens", "2"]
    yield ["train", "--data", short, "--dry-run"]
    yield ["train", "--preset", "bigram", "--set", f"seed={short}", "--dry-run"]
    yield ["train", "--preset", short, "--dry-run"]


def _run(words: list[str], tally: Tally) -> str | None:
    """One command in this process; exit code 1, a bug of ours, is an exception that comes through."""
    out, said = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    try:
        with limited(LONGEST_S), redirect_stdout(out), redirect_stderr(said):
            main(words)
    except SystemExit as end:
        said.seek(0)
        lines = said.read().splitlines()
        tally.count(f"exit code {end.code}")
        if end.code not in (0, 2, 3, 4, 5, 8):
            return f"exit code {end.code}: {lines[-1:]}"
        if end.code and not (lines and lines[-1].startswith("nanochat: ")):
            return f"exit code {end.code} without a sentence: {lines[-1:]}"
        return "a traceback" if any(line.startswith("Traceback") for line in lines) else None
    except (Exception, Hang) as error:  # noqa: BLE001
        return f"{type(error).__name__}: {str(error)[:300]}"
    return "it did not end"
