"""What a student did with specimens: one JSON document of events, from which standing and exam are read."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import CheckpointError, UsageError, WriteError
from ...plain import shown_path
from ...storage.atomic import read_json, write_json
from ..variation import seed_of
from .catalogue import find_specimen, specimens
from .specimen import Specimen

VERSION = 1
_MOST_GUESSES = 3
INSTRUMENTS = ("certify", "eval", "graph", "health", "runs", "sample", "tokenizer", "train")
"""Commands that tell something of a program."""


@dataclass(frozen=True)
class Standing:
    """How far somebody is with one specimen."""

    commands: tuple[str, ...]
    """Instruments that were run on it before it was named."""
    guesses: int
    named: bool
    mended: bool

    @property
    def points(self) -> int:
        """2 for a name within three guesses and not before an instrument was used, 1 for mending it."""
        return 2 * (self.named and bool(self.commands) and self.guesses <= _MOST_GUESSES) + self.mended

    @property
    def state(self) -> str:
        """In a word."""
        return "mended" if self.mended else "named" if self.named else "open"


def read_events(path: Path) -> list[dict[str, Any]]:
    """What was noted so far. Raises CheckpointError for a file of another version, or of something else."""
    if not path.exists():
        return []
    content = read_json(path)
    if not isinstance(content, dict) or content.get("kind") != "zoo":
        raise CheckpointError(f"{path} is no log of the zoo: name another file with --log")
    if content.get("version") != VERSION:
        raise CheckpointError(
            f"{path} is a log of version {content.get('version')}, and this is for version {VERSION}: "
            "start a new one with --log"
        )
    return list(content["events"])


def note(path: Path, **event: Any) -> None:
    """Add one event. Raises WriteError, and what `read_events` raises."""
    events = [*read_events(path), event]
    try:
        write_json(path, {"kind": "zoo", "version": VERSION, "events": events})
    except WriteError as error:
        raise WriteError(
            f"{shown_path(path)} cannot be written, so nothing is noted: name another with --log"
        ) from error


def standing(events: Sequence[dict[str, Any]], key: str, specimen: Specimen) -> Standing:
    """From the events of one specimen, by the name that it has for whoever searches."""
    own = [event for event in events if event.get("specimen") == key]
    commands, guesses, named = [], 0, False
    for event in own:
        if str(event.get("command")).split(" ")[0] in INSTRUMENTS and not named:
            commands.append(str(event["command"]))
        elif "answer" in event and not named:
            guesses += 1
            named = event["answer"] == specimen.name
    return Standing(tuple(commands), guesses, named, any(event.get("mended") for event in own))


def drawn(student: str) -> dict[str, Specimen]:
    """The six of a student's exam: one of each room, one more and a trap. The same again, and others for a neighbour.

    Each goes by the student's name and a number, as `ada-3`: an id of the catalogue would tell the lab, and a neighbour
    who has it already, the rest.
    """
    rng, known = random.Random(seed_of("zoo", student)), list(specimens().values())
    traps, bugs = [one for one in known if not one.fault], [one for one in known if one.fault]
    chosen = [
        rng.choice([one for one in bugs if one.lab == lab]) for lab in ("engine", "model", "training", "decoding")
    ]
    chosen += [rng.choice([one for one in bugs if one not in chosen]), rng.choice(traps)]
    rng.shuffle(chosen)
    return {f"{student}-{i}": one for i, one in enumerate(chosen, 1)}


def find(name: str) -> tuple[str, Specimen]:
    """What somebody calls a specimen, B4 or ada-3 of an exam, and which it is. Raises UsageError."""
    student, dash, number = name.rpartition("-")
    if not dash or not student or not number.isdecimal():
        specimen = find_specimen(name)
        return specimen.id, specimen
    exam = drawn(student)
    if name not in exam:
        raise UsageError(f"{name!r} is in no exam: that of {student} has {student}-1 to {student}-{len(exam)}")
    return name, exam[name]
