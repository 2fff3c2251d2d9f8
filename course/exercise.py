"""What an exercise is: laws that decide, known wrong answers that explain, variants, hints. Data; it runs nothing.

A law is true of every right answer and needs no key. A known wrong answer is a misconception written as code: where a
student's numbers are its numbers, its sentence says what happened. The runner knows nothing of any exercise.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Answer = Mapping[str, Any]
"""What a file defines, by name: the functions and classes that the exercise asks for."""
Observation = Mapping[str, float | str]
"""What can be seen of an answer on one case: label -> number, or a word such as `3 nodes`."""

STANDARD = frozenset("__future__ abc collections dataclasses functools itertools math operator random typing".split())
"""Modules of Python that any exercise may import: none of them holds an answer."""


@dataclass(frozen=True, kw_only=True)
class Broken:
    """The smallest case in which a law does not hold."""

    call: str
    """As the student would type it: `softmax([0, 1000])`."""
    expected: str
    got: str


@dataclass(frozen=True, kw_only=True)
class Law:
    """One sentence that is true of every right answer, and how to see whether it holds."""

    name: str
    """One word, for --law."""
    sentence: str
    holds: Callable[[Answer, Any, Any], Broken | None]
    """(answer, case, variant) -> None where it holds."""
    points: int = 1
    needs: tuple[str, ...] = ()
    """Laws without which this one means nothing: it waits for them."""
    cases: Callable[[random.Random, Any], Sequence[Any]] | None = None
    """Cases of its own, in place of the exercise's."""


def law(name: str, sentence: str, holds: Callable[..., Broken | None], points: int, *needs: str, **more: Any) -> Law:
    """A row of an exercise's table of laws."""
    return Law(name=name, sentence=sentence, holds=holds, points=points, needs=needs, **more)


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A misconception as code, and the sentence that whoever has it is told; never the mending code."""

    name: str
    answer: Callable[[Any], Answer]
    """variant -> what a file with it would define."""
    sentence: str
    applies: Callable[[Any], bool] = lambda v: True
    """Whether it is wrong in a variant: without a temperature nobody forgets it."""


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """Everything about one exercise; V below is whatever its variants are."""

    title: str
    file: str
    """Name of the student's file."""
    asks: tuple[str, ...]
    """Functions and classes that it has to define."""
    starter: Callable[[Any], str]
    """V -> the file that a student begins with."""
    variants: Mapping[str, Any]
    """Name -> V. Which one a student gets follows from the seed."""
    cases: Callable[[random.Random, Any], Sequence[Any]]
    """(rng, V) -> what an answer is tried on, the smallest first."""
    call: Callable[[Any], str]
    """A case as the student would type it: `softmax([0, 1000])`; said where it ends in an error."""
    laws: tuple[Law, ...]
    observe: Callable[[Answer, Any, Any], Observation]
    """(answer, case, V) -> what is compared with known wrong answers, and shown by --steps."""
    right: tuple[Callable[[Any], Answer], ...]
    """V -> a right answer; two or more, written differently. The first one is what wrong answers differ from."""
    wrong: tuple[Wrong, ...]
    hints: tuple[str, str, str]
    project: str
    """`module:name` of the project's own code for this, shown after passing."""
    allowed: tuple[str, ...] = ()
    """Modules beside STANDARD that the file may import."""
