"""All specimens, by id; each lies in a file of its own in the folder of its lab."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ...errors import UsageError
from ...validation import nearest
from .specimen import Specimen

SOUND = "sound"
"""The answer where nothing is wrong."""


@cache
def specimens() -> dict[str, Specimen]:
    """Id -> specimen, in the order of the labs."""
    rooms = [import_module(f".{lab}", __package__) for lab in ("engine", "model", "training", "decoding")]
    files = [f"{room.__name__}.{file.name}" for room in rooms for file in iter_modules(room.__path__)]
    found: list[Specimen] = [import_module(file).SPECIMEN for file in files]
    return {one.id: one for one in sorted(found, key=lambda one: (one.id[0], int(one.id[1:])))}


def find_specimen(name: str) -> Specimen:
    """By its id. Raises UsageError."""
    known = specimens()
    if name.upper() not in known:
        raise UsageError(f"{name!r} is no specimen: `nanochat zoo list` shows them all, A1 to {list(known)[-1]}")
    return known[name.upper()]


def answers() -> list[str]:
    """What a specimen can be called, in alphabetical order: it tells nothing of which is which."""
    return sorted({one.name for one in specimens().values()})


def check_answer(answer: str) -> None:
    """Raises UsageError for what is no specimen's name."""
    if answer not in answers():
        near = nearest(answer, answers())
        meant = f"{near} " if near.startswith("did you mean") else ""
        raise UsageError(f"{answer!r} is no name of a bug: {meant}`nanochat zoo names` lists them all")
