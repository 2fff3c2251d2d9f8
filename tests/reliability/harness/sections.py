"""What is measured, in order: each promise, how it is tried, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
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
    mutations: int = 14_000
    """Changed files of each format."""
    bits: int = 1
    """Every bit of a small file of a format with a checksum; or one of so many."""
    resumes: int = 0
    """Configurations of resuming; 0: all."""
    kills_at_work: int = 60
    """Runs that are killed while they train."""
    texts: int = 50_000
    """Invented texts."""
    pairs: int = 0
    """Trials of two commands on one folder; 0: every pairing in every state."""
    threes: int = 60
    """Trials of three."""
    numbered: int = 24
    """Trials of three that name no folder, and of several that write one file."""
    links_every: int = 2
    """Of the links one of so many."""
    places_every: int = 1
    """Of the names of paths one of so many."""
    remarks: int = 0
    """Commands whose stderr fails; 0: all."""
    signals: int = 336
    """Commands that are sent a signal."""
    beside: int = 8
    """Trainings with readers and pruners beside them."""
    configs: int = 500
    """Random configurations against torch and the scalar path."""
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
    pairs=25,
    threes=6,
    numbered=3,
    links_every=13,
    places_every=14,
    remarks=2,
    signals=34,
    beside=1,
    configs=50,
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


def _pairs(counts: Counts, scratch: Path) -> Iterator[Tally]:
    from kills import CAN_FORK
    from pairs import Ring, collide, number_folders, share_a_file

    if not CAN_FORK:
        return
    ring = Ring(scratch / "ring")
    yield collide(ring, size=2, most=counts.pairs)
    yield collide(ring, size=3, most=counts.threes)
    yield number_folders(ring, counts.numbered)
    yield share_a_file(ring, counts.numbered)


def _beside(counts: Counts, scratch: Path) -> Iterator[Tally]:
    from beside import beside_a_training
    from kills import CAN_FORK

    if CAN_FORK:
        yield beside_a_training(scratch / "beside", n_runs=counts.beside)


def _links(counts: Counts, scratch: Path) -> Iterator[Tally]:
    from kills import CAN_FORK
    from links import follow_no_link

    if CAN_FORK:
        yield from follow_no_link(scratch / "links", every=counts.links_every)


def _places(counts: Counts, scratch: Path) -> Iterator[Tally]:
    from kills import CAN_FORK
    from places import anywhere

    if CAN_FORK:
        yield from anywhere(scratch / "places", every=counts.places_every)


def _remarks(counts: Counts, scratch: Path) -> Iterator[Tally]:
    from kills import CAN_FORK
    from remarks import lose_remarks

    if CAN_FORK:
        yield from lose_remarks(scratch / "remarks", most=counts.remarks)


def _signals(counts: Counts, scratch: Path) -> Iterator[Tally]:
    from kills import CAN_FORK
    from signals import interrupt

    if CAN_FORK:
        yield interrupt(scratch / "signals", counts.signals)


def _configs(counts: Counts, scratch: Path) -> Iterator[Tally]:
    tally = Tally("random configurations, against torch and the scalar path")
    if find_spec("torch") is None or find_spec("random_configs") is None:
        tally.facts["skipped"] = "torch is not installed: `make oracle` compares"
        yield tally
        return
    from random_configs import check

    with tally.timed():
        failures = list(check(counts.configs, seed=0))
    tally.n, tally.n_failed, tally.failures = counts.configs, len(failures), failures[:40]
    yield tally


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
    "pairs": Section(
        "Two and three at one folder",
        "Who ends well has a whole folder, bit for bit as if alone; who is refused leaves no trace; nobody sees the "
        "half of another's work.",
        "Processes that begin within milliseconds of each other, or some moments apart, on no folder, a stopped run "
        "and a finished one, in every pairing of train, --force, --resume, --resume auto, --recipe, ablate, prune, "
        "convert, verify, inspect, report, sample, eval and runs list. What is there in the end has to be what some "
        "order of those that ended well would have left, one after the other.",
        _pairs,
    ),
    "beside": Section(
        "Readers and pruners beside a training",
        "A training ends well and to the same bits, whoever reads and prunes; readers never see damage.",
        "Loops of prune, verify, inspect, convert, sample, report, eval and runs list, two or three beside each "
        "training, which saves every second step and keeps three checkpoints. Each call is a case.",
        _beside,
    ),
    "links": Section(
        "Links in a folder",
        "What lies outside of a folder is never written to through a link in it; what refuses it says its name.",
        "Each name in the folder of a run, a study, a recipe, a cache and a tokenizer, and each name that may yet come "
        "to be there, is made a link to its own content elsewhere, to other content, and to nothing yet; then the "
        "commands that write there are run.",
        _links,
    ),
    "places": Section(
        "Paths of any bytes, in any locale",
        "Taken, or refused in a sentence: no traceback, and every document that was written is UTF-8, valid, and "
        "obeyed by no terminal.",
        "Names that are no UTF-8, or mathematics, markup, escapes, line ends and marks of direction, through thirty "
        "commands that take a path, in three locales.",
        _places,
    ),
    "remarks": Section(
        "Stderr that fails",
        "Remarks are lost, and nothing else: exit code 0 and the same bits.",
        "Stderr is closed, full, read by nobody, no longer read, a terminal that is gone, not open for writing, and a "
        "file on a disk that fills while the command works.",
        _remarks,
    ),
    "signals": Section(
        "Signals from the first millisecond",
        "Exit code 130, 143 or 129, or a finished 0; no traceback; a folder that is carried to its end with the bits "
        "of a run without a signal.",
        "SIGINT, SIGTERM and SIGHUP to every process of a command, as a terminal sends them: two thirds within the "
        "first 600 ms, the others up to the end. A signal that comes before the first line of ours is Python's own to "
        "answer: where nothing was written yet and no file of ours stands in a traceback, it is counted apart, and so "
        "is an end by the signal itself before anything was written.",
        _signals,
    ),
    "configs": Section(
        "Random configurations",
        "Loss, logits and gradients in float64 are those of torch and of the scalar path.",
        "Models of every kind, norm, position, activation and width, drawn by lot, saturated attention among them. "
        "Needs torch; where it is not installed, this part is left out.",
        _configs,
    ),
}
"""By the name that --only takes."""
