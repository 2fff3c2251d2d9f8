"""The labs: what a student hunts in an afternoon, which page says how, and which specimens belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from ...errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Lab:
    """One lab; its page lies beside as package data."""

    letter: str
    title: str
    idea: str
    minutes: int
    """Estimated: nobody has been measured."""
    rooms: str
    """First letters of the specimens that belong to it."""
    first: str
    """The specimen that its page begins with."""

    @property
    def word(self) -> str:
        """As it is asked for, and its folder among a student's files."""
        return f"lab-{self.letter}"

    def text(self) -> str:
        """Its page, in Markdown."""
        return files(__package__).joinpath(f"{self.word}.md").read_text(encoding="utf-8")


LABS = (
    Lab(
        letter="a",
        title="Bugs of an engine",
        idea="a slope can be measured, and two spellings of one formula agree",
        minutes=90,
        rooms="A",
        first="A3",
    ),
    Lab(
        letter="b",
        title="Bugs of a model",
        idea="the first row that fails is the address, and a loss can be too good",
        minutes=120,
        rooms="B",
        first="B4",
    ),
    Lab(
        letter="c",
        title="Bugs of training, data and decoding",
        idea="what no gradient shows, a law does: say first what must be true",
        minutes=120,
        rooms="CD",
        first="C8",
    ),
)


def find_lab(name: str) -> Lab | None:
    """By its word, lab-a, or letter after `lab`; None for what does not ask for a lab. Raises UsageError."""
    if not name.lower().startswith("lab"):
        return None
    for lab in LABS:
        if name.lower() in (lab.word, f"lab{lab.letter}", f"lab {lab.letter}"):
            return lab
    raise UsageError(f"there is no lab {name!r}: choose one of {', '.join(lab.word for lab in LABS)}")
