"""R2: the k-th call fails, for every k until a run meets no failure; never a silent success, never a lost old one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from faults import ERRORS, WRITES, Faults
from tally import Tally

from nanochat.errors import CheckpointError, NanochatError, WriteError

KINDS = (*((kind, False) for kind in (*ERRORS, *WRITES)), ("ENOSPC", True), ("torn", True))


@dataclass(frozen=True)
class Subject:
    """Something that writes."""

    name: str
    save: Callable[[Path, int], None]
    """Write version 0 into an empty folder, or version 1 over it."""
    version: Callable[[Path], int | str]
    """0 or 1: which lies there, whole. Anything else, or a NanochatError, is damage."""


def temporary_files(folder: Path) -> list[str]:
    """Drafts and what was moved out of the way: all our temporary names begin with a dot."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob(".*"))


def fail_every_call(
    subject: Subject, scratch: Path, kinds: tuple[tuple[str, bool], ...] = KINDS, most: int = 0
) -> Tally:
    """Each call of writing version 1 fails in each way; of many calls `most`, evenly spread, where that is not 0."""
    tally = Tally(subject.name)
    with tally.timed():
        calls = calls_of(subject, scratch)
        tally.facts["calls"] = len(calls)
        for kind, sticky in kinds:
            places = [at for at, (call, _) in enumerate(calls, 1) if kind not in WRITES or call == "write"]
            for at in places[:: max(1, len(places) // most)] if most else places:
                struck, problem = fail_one_call(subject, scratch, Faults(scratch, at=at, kind=kind, sticky=sticky))
                if not struck:
                    problem = "the call was not reached: the harness, or what it writes, is not deterministic"
                tally.add(problem, label=f"{kind}{' from then on' if sticky else ''} at call {at}, {struck}")
    return tally


def calls_of(subject: Subject, scratch: Path) -> list[tuple[str, str]]:
    """(call, file) of everything that a save without failure does."""
    folder = scratch / "subject"
    _empty(folder)
    subject.save(folder, 0)
    with Faults(scratch) as counted:
        subject.save(folder, 1)
    return counted.calls


def fail_one_call(subject: Subject, scratch: Path, faults: Faults) -> tuple[str, str | None]:
    """(the call that failed, what was wrong with the outcome)."""
    folder = scratch / "subject"
    _empty(folder)
    subject.save(folder, 0)
    if subject.version(folder) != 0:
        return "", "the harness is wrong: what it prepared is not version 0"
    said: BaseException | None = None
    with faults:
        try:
            subject.save(folder, 1)
        except Exception as error:  # noqa: BLE001
            said = error
    return faults.struck, "; ".join(_judge(subject, folder, said, faults)) or None


def _judge(subject: Subject, folder: Path, said: BaseException | None, faults: Faults) -> Iterator[str]:
    reads = faults.struck.partition(" ")[0] in (
        "look",
        "read",
    )  # before it writes over it: what cannot be read is told as such
    if said is not None and not isinstance(said, (WriteError, CheckpointError) if reads else WriteError):
        yield f"{type(said).__name__} instead of WriteError: {said}"
    if said is not None and not faults.struck:
        yield f"it failed by itself: {said}"
    try:
        found = subject.version(folder)
    except NanochatError as error:
        yield f"neither the old nor the new version: {error}"
    else:
        if said is None and found != 1:
            yield f"a silent success: it said nothing, and version {found} is there"
        if found not in (0, 1):
            yield f"{found} is there"
    if (left := temporary_files(folder)) and not _hinders_deleting(faults.struck):
        yield f"left behind: {', '.join(left)}"
    try:
        subject.save(folder, 1)
        if subject.version(folder) != 1 or temporary_files(folder):
            yield f"the next save leaves {subject.version(folder)} and {temporary_files(folder)}"
    except NanochatError as error:
        yield f"the next save fails: {error}"


def _hinders_deleting(struck: str) -> bool:
    """A folder under a temporary name is looked into only to be emptied; where that fails, it stays for the time."""
    call, _, name = struck.partition(" ")
    return call in ("unlink", "remove", "rmdir") or (call in ("look", "leave") and name.startswith("."))


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
