"""The tables of facts as they stand in the .toml files beside this one. Knows no size and no split.

[capital]                                    a relation
small = 16                                   a small world takes the first 16 facts; without the key none
medium = 60                                  a large one takes all
statements = ["The capital of {subject} is {answer}.", ...]
taught = ["What is the capital of {subject}?", ...]
held_out = [...]                             questions that no tuning asks
[capital.facts]
France = "Paris"                             subject = answer, or [answer, other right answers]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

TABLES = ("countries", "peoples", "rivers", "elements", "science", "animals", "words", "culture")

_AN = tuple("aeiouAEIOU")
_NOT_AN = ("eu", "ewe", "uk", "uni")


@dataclass(frozen=True)
class Fact:
    """One line of a table: the `relation` ("capital") of `subject` ("France") is `answer` ("Paris")."""

    relation: str
    subject: str
    answer: str
    accepted: tuple[str, ...]
    """Every right answer, `answer` first."""


@dataclass(frozen=True)
class Relation:
    """Facts of one kind, best known first, and how they are told and asked."""

    name: str
    facts: tuple[Fact, ...]
    statements: tuple[str, ...]
    taught: tuple[str, ...]
    held_out: tuple[str, ...]
    n_facts: Mapping[str, int]
    """How many facts a world of each size takes, the first ones."""


@cache
def read_relations() -> tuple[Relation, ...]:
    """Every relation, in the order of TABLES."""
    return tuple(
        _relation(name, table)
        for file in TABLES
        for name, table in tomllib.loads(files(__package__).joinpath(f"{file}.toml").read_text("utf-8")).items()
    )


def render(template: str, fact: Fact) -> str:
    """The template with `{subject}` and `{answer}`, which may be `{a subject}` or `{A subject}` for "an owl", "An owl".

    >>> render("{A subject} says {answer}.", Fact("sound", "owl", "hoot", ("hoot",)))
    'An owl says hoot.'
    """
    words = {"subject": fact.subject, "answer": fact.answer}
    for name, noun in tuple(words.items()):
        article = "an" if noun.startswith(_AN) and not noun.startswith(_NOT_AN) else "a"
        words |= {f"a {name}": f"{article} {noun}", f"A {name}": f"{article.capitalize()} {noun}"}
    sentence = template.format_map(words)
    return sentence[0].upper() + sentence[1:]  # `str.capitalize` would make the rest small


def _relation(name: str, table: Mapping[str, Any]) -> Relation:
    rows, statements, taught, held_out = (table[key] for key in ("facts", "statements", "taught", "held_out"))
    facts = []
    for subject, value in rows.items():
        accepted = (value,) if isinstance(value, str) else tuple(value)
        facts.append(Fact(name, subject, accepted[0], accepted))
    n_facts = {"small": table.get("small", 0), "medium": table.get("medium", 0), "large": len(facts)}
    return Relation(name, tuple(facts), tuple(statements), tuple(taught), tuple(held_out), n_facts)
