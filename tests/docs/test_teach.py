"""docs/teach says what is so: its commands, a page a lesson, minutes and points, the findings of grading."""

import re
from pathlib import Path

import pytest

from nanochat.cli import parse
from nanochat.course.lessons import LESSONS
from nanochat.course.zoo.labs import LABS

TEACH = Path(__file__).parents[2] / "docs" / "teach"
PAGES = sorted(TEACH.rglob("*.md"))
STANDS_FOR = {
    "FILE": "a.py",
    "KEY": "3a",
    "NAME": "large",
    "N": "3",
    "ID": "ada",
    "DIR": "sheets",
    "ID.json": "ada.json",
}


def commands(text: str) -> set[str]:
    """What is typed: between backquotes, or a line of a block."""
    spans = re.findall(r"`(nanochat [^`]+)`", text)
    lines = re.findall(r"^(nanochat .+)$", text, re.MULTILINE)
    typed = {" ".join(command.split("  ")[0].split()) for command in [*spans, *lines] if "..." not in command}
    return typed - {"nanochat learn grade"}  # its name alone


ALL = sorted({command for page in PAGES for command in commands(page.read_text(encoding="utf-8"))})


@pytest.mark.parametrize("command", ALL)
def test_a_command_in_docs_teach_can_be_typed(command):
    words = [STANDS_FOR.get(word, word) for word in re.findall(r'"[^"]*"|\S+', command)[1:]]
    assert parse([word.strip('"') for word in words]) is not None or words == ["learn"]


def test_there_is_a_page_a_lesson_with_its_parts():
    for lesson in LESSONS:
        text = (TEACH / "lessons" / f"{lesson.folder}.md").read_text(encoding="utf-8")
        assert text.startswith(f"# {lesson.number}. {lesson.title}\n")
        assert f"nanochat learn check {lesson.keys[0]}`" in text
        questions = text.split("## Two questions that always come")[1].split("## Watch for")[0]
        assert len(re.findall(r"#\d+", questions)) >= 2
        assert len(text.splitlines()) < 45


def test_the_syllabus_has_every_lesson_with_its_minutes_and_every_lab():
    text = (TEACH / "syllabus.md").read_text(encoding="utf-8")
    for lesson in LESSONS:
        assert f"(lessons/{lesson.folder}.md)" in text
        if lesson.word not in ("drawing", "tokens"):  # one day, added up
            assert f"| {lesson.reading_min} + {lesson.working_min} |" in text
    for lab in LABS:
        assert f"{lab.word}" in text
        assert re.search(rf"{lab.word}`, {lab.minutes}\b", text), lab.word


def test_the_rubric_adds_up():
    text = (TEACH / "rubric.md").read_text(encoding="utf-8")
    points = [
        int(n)
        for n in re.findall(r"^\| [^|]+ \| (\d+) \| ", text.split("**Milestone 2, ten points.**")[0], re.MULTILINE)
    ]
    assert sum(points) == 100
    ten = [int(n) for n in re.findall(r"^\| (\d+) \| ", text, re.MULTILINE)]
    assert sum(ten) == 10


def test_every_word_that_grading_finds_is_explained():
    text = (TEACH / "grading.md").read_text(encoding="utf-8")
    table = text.split("## Findings")[1]
    source = "".join(
        path.read_text(encoding="utf-8") for path in (TEACH.parents[1] / "course" / "grading").glob("*.py")
    )
    words = (
        set(re.findall(r'note\(\s*"([a-z ,]+)"', source)) | set(re.findall(r'finding="([a-z ]+)"', source)) | {"wrong"}
    )
    assert len(words) > 12
    assert [word for word in words if f"`{word}`" not in table] == []
