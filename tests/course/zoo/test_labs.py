"""A lab is a page: what it names is there, and what it says to type can be typed."""

import re

import pytest

from nanochat.cli.app import parse
from nanochat.course.zoo.catalogue import SOUND, answers, specimens
from nanochat.course.zoo.instruments import LAW_NAMES
from nanochat.course.zoo.labs import LABS, find_lab
from nanochat.errors import UsageError

EACH = pytest.mark.parametrize("lab", LABS, ids=[lab.word for lab in LABS])


def test_labs_share_all_specimens_among_them():
    assert sorted("".join(lab.rooms for lab in LABS)) == sorted({key[0] for key in specimens()})


@EACH
def test_a_page_has_its_parts_and_hunts_three_to_five(lab):
    text = lab.text()
    assert text.startswith(f"# Lab {lab.letter.upper()}: {lab.title.lower()}\n")
    hunt = text.partition("## Hunt")[2].partition("## ")[0]
    hunted = [key for row in re.findall(r"^\| ([A-D]\d.*?) \|", hunt, re.MULTILINE) for key in row.split(", ")]
    assert 3 <= hunt.count("\n| ") - 1 <= 5
    assert all(specimens()[key].fault and key[0] in lab.rooms for key in hunted)
    assert lab.first == hunted[0]
    assert "## Questions" in text
    assert f"nanochat zoo list --lab {lab.letter}" in text


@EACH
def test_what_it_says_to_type_can_be_typed(lab):
    commands = re.findall(r"^nanochat (.*?)(?:\s+[>#].*)?$", lab.text(), re.MULTILINE)
    assert len(commands) > 3
    for command in commands:
        if "--config" not in command or "zoo" in command:  # a file that the line before it writes
            assert parse(command.split()) is not None, command


@EACH
def test_its_specimens_laws_and_names_are_there(lab):
    text = lab.text()
    assert set(re.findall(r"\b[A-D]\d+\b", text)) <= set(specimens())
    known = {*answers(), *LAW_NAMES, SOUND}
    assert [name for name in re.findall(r"zoo name \w+ (\S+)", text) if name not in known] == []


def test_a_lab_is_found_by_its_word():
    assert [find_lab(name) for name in ("lab-a", "LAB-B", "labc", "3", "value")] == [*LABS, None, None]
    with pytest.raises(UsageError, match="choose one of lab-a, lab-b, lab-c"):
        find_lab("lab-d")
