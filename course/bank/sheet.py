"""A sheet of questions for one student, the whole bank as a page, and keys beside them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ..lessons import LESSONS
from ..variation import seed_of
from . import arrays, evidence, numbers
from .item import Item, shown

BANK: tuple[Item, ...] = (*numbers.ITEMS, *arrays.ITEMS, *evidence.ITEMS)


@dataclass(frozen=True, kw_only=True)
class Question:
    """An item with its numbers."""

    lesson: int
    name: str
    text: str
    key: str


def question(item: Item, seed: int) -> Question:
    """The item as `seed` draws it."""
    drawn = item.drawn(random.Random(seed_of(str(seed), item.name)))
    key = ", ".join(shown(one) for one in item.key(drawn))
    return Question(lesson=item.lesson, name=item.name, text=item.asked(drawn), key=key)


def sheet(seed: int, lessons: Sequence[int]) -> list[Question]:
    """One question of each lesson, drawn by a student's seed: which, and with which numbers."""
    rng = random.Random(seed_of(str(seed), "sheet"))
    chosen = {one.number: rng.choice([item for item in BANK if item.lesson == one.number]) for one in LESSONS}
    return [question(chosen[number], seed) for number in lessons]


def sheet_text(student: str, questions: Sequence[Question]) -> str:
    """A sheet to print or to send, in Markdown. `student` is text that is safe there."""
    lines = [f"# {student}", "", "By hand, with a calculator. Four figures are enough; show the way.", ""]
    for i, one in enumerate(questions, 1):
        lines += [f"{i}. {one.text}", ""]
    return "\n".join(lines)


def bank_page(seed: int) -> str:
    """Every question with the numbers of one seed, and its key."""
    lines = [
        "# Question bank",
        "",
        f"Sixty questions to answer by hand, five a lesson, with the numbers of seed {seed}. Every student has others:",
        "`nanochat learn roster students.csv --sheets DIR` writes a sheet for each, one question a lesson, and",
        "`keys.csv`. Keys are computed, and tests compute them in a second way.",
        "",
        "Written by `python tests/course/bank/page.py`.",
        "",
    ]
    for lesson in LESSONS:
        lines += [f"## {lesson.number}. {lesson.title}", "", "| question | key |", "|---|---|"]
        asked = (question(item, seed) for item in BANK if item.lesson == lesson.number)
        lines += [f"| {one.text} | {one.key} |" for one in asked]
        lines.append("")
    return "\n".join(lines)
