"""What is noted, and what it is worth."""

import pytest

from nanochat.course.zoo.casebook import drawn, find, note, read_events, standing
from nanochat.course.zoo.catalogue import specimens
from nanochat.errors import CheckpointError, UsageError, WriteError
from nanochat.storage.atomic import write_json

B4 = specimens()["B4"]


def test_a_name_counts_after_an_instrument_and_within_three_guesses(tmp_path):
    log = tmp_path / "zoo.json"
    for event in ({"command": "health"}, {"answer": "no-scale"}, {"answer": B4.name}, {"mended": True}):
        note(log, specimen="B4", **event)
    assert standing(read_events(log), "B4", B4).points == 3
    assert standing(read_events(log)[1:], "B4", B4).points == 1  # guessed
    many = [{"specimen": "B4", "answer": "no-scale"}] * 3
    assert standing([*many, *read_events(log)], "B4", B4).points == 1


def test_guesses_after_the_name_do_not_count():
    events = [{"specimen": "B4", "answer": answer} for answer in (B4.name, "no-scale")]
    assert standing(events, "B4", B4).guesses == 1


def test_an_exam_has_a_bug_of_each_lab_and_a_trap_and_is_the_same_again():
    exams = [drawn(f"student {i}") for i in range(20)]
    assert exams == [drawn(f"student {i}") for i in range(20)]
    for exam in exams:
        assert len({one.id for one in exam.values()}) == 6
        assert {one.lab for one in exam.values() if one.fault} == {"engine", "model", "training", "decoding"}
        assert sum(one.fault is None for one in exam.values()) == 1
    assert len({tuple(sorted(one.id for one in exam.values())) for exam in exams}) > 15


def test_the_names_and_the_places_of_an_exam_give_nothing_away():
    exams = {student: drawn(student) for student in map("student {}".format, range(60))}
    for student, exam in exams.items():
        assert list(exam) == [f"{student}-{i}" for i in range(1, 7)]
        assert all(find(key) == (key, one) for key, one in exam.items())
    for i in range(6):  # no place belongs to a lab
        assert {list(exam.values())[i].lab for exam in exams.values()} == {"engine", "model", "training", "decoding"}


def test_an_exam_is_graded_by_its_own_events():
    own = {"specimen": "ada-1"}
    events = [{"specimen": "B4", "command": "health"}, {"specimen": "B4", "answer": B4.name}]
    assert standing(events, "ada-1", B4).points == 0
    guessed = [own | {"command": "presets"}, own | {"answer": B4.name}]
    assert standing(guessed, "ada-1", B4).points == 0
    assert standing([own | {"command": "health"}, own | {"answer": B4.name}], "ada-1", B4).points == 2


@pytest.mark.parametrize("name", ["ada-7", "ada-0", "ada-01", "-1", "B99", "ada"])
def test_what_nobody_drew_is_refused(name):
    with pytest.raises(UsageError, match=r"is no specimen|is in no exam"):
        find(name)


def test_a_log_that_cannot_be_written_names_its_flag(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(WriteError, match="nothing is noted: name another with --log"):
        note(tmp_path / "file" / "zoo.json", specimen="B4", command="health")


@pytest.mark.parametrize("content", [[], {"kind": "run"}, {"kind": "zoo", "version": 9, "events": []}])
def test_a_log_of_something_else_or_another_version_is_refused(tmp_path, content):
    write_json(tmp_path / "zoo.json", content)
    with pytest.raises(CheckpointError, match="--log"):
        read_events(tmp_path / "zoo.json")
