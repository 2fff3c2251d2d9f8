"""What is measured, in order: each promise, how it is tried, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tally import Tally


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How often; the defaults are the full counts."""

    kills: dict[float, int] = field(default_factory=lambda: {0.1: 110, 1: 40, 10: 5, 40: 2})
    """Megabytes -> kills of each way of saving."""
    calls: int = 0
    """Calls that fail in a subject with many, evenly spread; 0: every one."""
    orders: tuple[int, int] = (400, 40)
    """Orders of saving, pruning and damage, and rules in each."""
    mutations: int = 8000
    """Changed files of each format."""
    bits: int = 1
    """Every bit of a small file of a format with a checksum; or one of so many."""
    resumes: int = 0
    """Configurations of resuming; 0: all."""
    kills_at_work: int = 60
    """Runs that are killed while they train."""
    texts: int = 50_000
    """Invented texts."""
    is_large: bool = True
    """With the files of 100 MB."""

    @property
    def is_full(self) -> bool:
        """These are the counts of the document."""
        return self == Counts()


TENTH = Counts(
    kills={0.1: 14, 1: 3, 10: 1},
    calls=6,
    orders=(40, 30),
    mutations=800,
    bits=16,
    resumes=24,
    kills_at_work=6,
    texts=3000,
    is_large=False,
)


@dataclass(frozen=True)
class Section:
    """One promise."""

    title: str
    promise: str
    how: str
    cases: Callable[[Counts, Path], Iterator[Tally]]


def _kills(counts: Counts, scratch: Path) -> Iterator[Tally]:
    from kills import CAN_FORK, kill_at_random, kill_before_every_call
    from savers import every_saver, savers

    if not CAN_FORK:
        return
    for saver, n_trials in savers(counts.kills):
        yield kill_at_random(saver, scratch / "kills", n_trials)
    for saver in every_saver():
        yield kill_before_every_call(saver, scratch / "kills")


def _calls(counts: Counts, scratch: Path) -> Iterator[Tally]:
    from calls import fail_every_call
    from writers import subjects

    for subject in subjects(scratch):
        yield fail_every_call(subject, scratch / "calls", most=counts.calls)


def _retention(counts: Counts, scratch: Path) -> Iterator[Tally]:
    from retention import explore

    yield explore(*counts.orders)


def _resumes(counts: Counts, scratch: Path) -> Iterator[Tally]:
    from resumes import resume_killed, resume_often, resume_once

    yield resume_once(scratch, most=counts.resumes)
    yield resume_often(scratch, every=12 if counts.is_full else 96)
    yield resume_killed(scratch, counts.kills_at_work)


def _mutations(counts: Counts, scratch: Path) -> Iterator[Tally]:
    from mutations import Bench
    from readers import readers

    for reader in readers(scratch):
        tally, bench = Tally(reader.name), Bench(reader, scratch)
        bench.random_changes(counts.mutations // reader.cost, tally)
        if reader.is_checksummed:
            bench.every_bit(tally, every=counts.bits * reader.cost**2)
        yield tally


def _bombs(counts: Counts, scratch: Path) -> Iterator[Tally]:
    from bombs import explode
    from bombs_folders import folder_bombs
    from bombs_tensors import tensor_bombs
    from bombs_text import text_bombs

    yield explode("headers of safetensors", tensor_bombs(), scratch)
    yield explode("archives and nested text", text_bombs(), scratch)
    yield explode("manifests, links, pipes, devices", folder_bombs(), scratch)


def _hazards(counts: Counts, scratch: Path) -> Iterator[Tally]:
    from hazards import plant
    from mutations import Bench
    from readers import readers

    for reader in readers(scratch):
        bench = Bench(reader, scratch)
        if any(path.suffix in (".json", ".jsonl") for path in bench.good):
            tally = Tally(reader.name)
            plant(bench, tally, large=counts.is_large)
            yield tally


def _texts(counts: Counts, scratch: Path) -> Iterator[Tally]:
    from hostile import invented_texts, named_texts, on_the_command_line

    yield named_texts(scratch)
    yield on_the_command_line(scratch)
    yield invented_texts(counts.texts, scratch)


def _code(counts: Counts, scratch: Path) -> Iterator[Tally]:
    from audit_process import watch
    from static_scan import scan

    yield scan()
    yield watch(scratch)


SECTIONS: dict[str, Section] = {
    "kills": Section(
        "Killed while saving",
        "A checkpoint that was acknowledged is found whole after kill -9, or a newer one; the next save tidies up.",
        "A process saves one version after the other and says so on a pipe; it is killed with SIGKILL at a random "
        "moment, and a new one goes on in the same folder. Then the same before each single call to the operating "
        "system that a save makes.",
        _kills,
    ),
    "calls": Section(
        "When the system says no",
        "Whichever call fails, and however: one sentence, exit code 8 and the former file whole; or success and the "
        "new one whole. Never a silent success, and nothing left lying about.",
        "Every call that saving makes (open, write, fsync, rename, mkdir, unlink, close, read) fails once: disk full, "
        "input/output error, no permission, interrupted, half written; and, for two of these, from then on.",
        _calls,
    ),
    "retention": Section(
        "Any order of events",
        "The newest whole checkpoint is always found; pruning never leaves fewer than asked for.",
        "Hypothesis invents orders of saving, saving again, crashing in the middle, pruning, damaging and copying, and "
        "compares the folder with a model of it after each.",
        _retention,
    ),
    "resumes": Section(
        "Resumed and not interrupted",
        "A run that was stopped and resumed ends with the same bits as one that was not.",
        "Every file of the last checkpoint, metrics.jsonl and the record, byte for byte, of a run without a break and "
        "of one with: both modes, every optimizer, dropout, accumulation, replicas, schedules, formats, stops at the "
        "beginning, the end and between, several stops, and kill -9 at random moments of training.",
        _resumes,
    ),
    "mutations": Section(
        "Changed files",
        "A changed file is refused in one typed sentence or means what it meant; without a checksum it may mean "
        "another valid thing. Never another exception, never over a second, or over 64 MB and twice the file.",
        "Bits flipped, bytes set, inserted, deleted, cut off, spliced, digits and JSON values exchanged, in every file "
        "that this project reads; every single bit of small files with a checksum.",
        _mutations,
    ),
    "bombs": Section(
        "Bombs",
        "Refused within 100 ms and 32 MB, in one typed sentence.",
        "Small files that claim much: headers of 2^63 bytes, shapes that overflow, archives that swell, text nested "
        "200,000 deep, manifests that point at /dev/zero, pipes in the place of files.",
        _bombs,
    ),
    "hazards": Section(
        "JSON that is none",
        "NaN, Infinity, 1e999, 5,000 digits, a key twice, deep nesting and broken encodings are refused everywhere.",
        "Each hazard in the place of every value of every JSON file that this project reads; checksums are made to "
        "agree, so that what lies behind them is asked.",
        _hazards,
    ),
    "texts": Section(
        "Hostile text",
        "Any text goes through every door or is refused in one sentence that names the character and its place; "
        "tokenizers of bytes give every text back.",
        "A table of texts that somebody will paste sooner or later, and invented ones, through tokenizers, readers of "
        "data files, prompts and settings.",
        _texts,
    ),
    "code": Section(
        "No code in data",
        "Nothing that is read is ever executed or unpickled; no shell, no program, no connection.",
        "Every file of the package is searched for what could; then everything is done once (train, resume, sample, "
        "convert, ablate in processes) under an audit hook of Python, which would see it happen.",
        _code,
    ),
}
"""By the name that --only takes."""
