"""The lessons say what happens: every Python block of every lesson runs, in order, one namespace a lesson."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from types import ModuleType

import pytest

from nanochat.course.lessons import LESSONS, Lesson, find_lesson
from nanochat.course.notebooks import BLOCK, examples
from nanochat.errors import UsageError

EACH = pytest.mark.parametrize("lesson", LESSONS, ids=[lesson.word for lesson in LESSONS])


def run_lesson(lesson: Lesson) -> None:
    """Doctest runs the blocks; a plain one counts as examples that print nothing."""
    text = lesson.text()
    found = []
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start(1))
        for example in examples(block[1]):
            example.lineno += line
            found.append(example)
    assert found, f"lesson {lesson.number} has no Python block"
    test = doctest.DocTest(found, {}, lesson.word, f"{lesson.word}/lesson.md", 0, text)
    report: list[str] = []
    results = doctest.DocTestRunner().run(test, out=report.append)
    assert not results.failed, "".join(report)


def figures_of(lesson: Lesson) -> ModuleType:
    return import_module(f"nanochat.course.lessons.{lesson.word}.figures")


@EACH
def test_every_block_of_a_lesson_does_what_the_lesson_shows(lesson):
    run_lesson(lesson)


@EACH
def test_a_figure_drawn_twice_is_the_same_bytes_and_the_committed_one(lesson):
    first, second = figures_of(lesson).figures(), figures_of(lesson).figures()
    assert first == second
    assert first == lesson.figures(), f"draw them anew: python tests/course/draw.py {lesson.word}"


@EACH
def test_a_lesson_shows_its_figures_and_no_other_file(lesson):
    shown = re.findall(r"!\[[^\]]{20,}\]\(([^)]+)\)", lesson.text())
    assert set(shown) == set(lesson.figures())


@EACH
def test_a_lesson_has_its_parts(lesson):
    text = lesson.text()
    assert text.startswith(f"# Lesson {lesson.number}: {lesson.title.lower()}\n")
    assert "**PyTorch says**" in text
    assert "(estimates)" in text
    assert f"about {lesson.reading_min} minutes to read" in " ".join(text.split())
    for key in lesson.keys[:1]:
        assert f"nanochat learn check {key}" in text
    assert f"nanochat learn start {lesson.number}" in text


def test_a_lesson_is_found_by_number_word_folder_and_exercise():
    for lesson in LESSONS:
        for name in (str(lesson.number), lesson.word, lesson.folder, *lesson.keys):
            assert find_lesson(name) is lesson
    with pytest.raises(UsageError, match="did you mean"):
        find_lesson("vallue")
