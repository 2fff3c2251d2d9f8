"""`nanochat learn roster` and `grade` as a teacher types them."""

import csv
import json

import pytest

RIGHT = """
import math
from nanochat.engine import Value


def bend(x):
    return Value(math.atan(x.data), (x,), (1 / (1 + x.data**2),), "bend")
"""


@pytest.fixture
def handed_in(nanochat, tmp_path):
    """Two students, arctan for both: ada's answer is right, that of =bob empty."""
    (tmp_path / "students.csv").write_text("student,1a\nada,arctan\n=bob,arctan\n", encoding="utf-8")
    assert nanochat("learn", "roster", "students.csv", "--course", "spring").code == 0
    for student in ("ada", "=bob"):
        home = tmp_path / student.strip("=")
        home.mkdir()
        typed = student.replace("ada", " Ada")  # is the ada of the roster
        (home / "course.toml").write_text(
            f'student = "{typed}"\ncourse = "spring"\n[variants]\n1a = "arctan"\n', encoding="utf-8"
        )
        assert nanochat("learn", "start", "1", "--dir", str(home)).code == 0
        if student == "ada":
            (home / "01-value" / "bend.py").write_text(RIGHT, encoding="utf-8")
        zipped = tmp_path / "handed" / f"{home.name}.zip"
        assert nanochat("learn", "submit", "--dir", str(home), "--out", str(zipped)).code == 0
    return tmp_path


def test_a_class_is_graded_with_one_command(nanochat, handed_in):
    done = nanochat("learn", "grade", "handed", "--roster", "roster.csv", "--exercises", "1a", "--out", "g.csv")
    assert done.code == 0
    assert "bend is still empty" in done.out
    with (handed_in / "g.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert (rows["ada"]["points"], rows["ada"]["1a of 11"], rows["ada"]["findings"]) == ("11", "11", "ok")
    assert (rows["'=bob"]["points"], rows["'=bob"]["findings"]) == ("0", "empty")


def test_a_receipt_that_lies_is_told_of_and_believed_in_nothing(nanochat, handed_in):
    progress = handed_in / "bob" / "progress.json"
    content = json.loads(progress.read_text(encoding="utf-8"))
    content["lessons"]["1a"]["status"] = "passed"
    progress.write_text(json.dumps(content), encoding="utf-8")
    (handed_in / "handed" / "bob.zip").unlink()
    (handed_in / "handed" / "ada.zip").unlink()
    nanochat("learn", "submit", "--dir", "bob", "--out", "handed/bob.zip")
    done = nanochat("learn", "grade", "handed", "--roster", "roster.csv", "--exercises", "1a")
    assert "1a: the receipt says that it passed, and run again it does not" in done.out
    assert "nothing was handed in under this id" in done.out


def test_each_student_gets_a_sheet_and_the_teacher_the_keys(nanochat, tmp_path):
    (tmp_path / "students.csv").write_text("student\nada\n../bob <b>\n", encoding="utf-8")
    done = nanochat("learn", "roster", "students.csv", "--sheets", "sheets", "--lessons", "1,7")
    assert "2 sheets and keys.csv" in done.out
    names = sorted(path.name for path in (tmp_path / "sheets").iterdir())
    assert names == ["01-ada.md", "02-..-bob-b-.md", "keys.csv"]
    assert "1. " in (tmp_path / "sheets" / names[0]).read_text(encoding="utf-8")
    assert "&lt;b&gt;" in (tmp_path / "sheets" / names[1]).read_text(encoding="utf-8")
    with (tmp_path / "sheets" / "keys.csv").open(encoding="utf-8", newline="") as file:
        assert [set(row) for row in csv.DictReader(file)] == [{"student", "1", "7"}] * 2
    nanochat("learn", "roster", "students.csv", "--out", "r.csv", "--sheets", "sheets").assert_refused(5, "keys.csv")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["grade", "nowhere"], 3, "nowhere does not exist"),
        (["grade", "ada", "--exercises", "1z"], 2, "--exercises '1z' is no exercise"),
        (["grade", "handed", "--roster", "nowhere.csv"], 3, "nowhere.csv does not exist"),
        (["grade", "handed", "--out", "students.csv"], 5, "students.csv exists already"),
        (["grade", "handed", "--jobs", "-1"], 2, "--jobs"),
        (["roster", "ada", "--out", "r.csv"], 3, "is no regular file"),
        (["roster", "students.csv", "--lessons", "1,13"], 2, "--lessons '1,13' is no list of lessons"),
        (["roster", "students.csv"], 5, "roster.csv exists already"),
    ],
)
def test_bad_words_get_one_sentence(nanochat, handed_in, words, code, sentence):
    nanochat("learn", *words).assert_refused(code, sentence)
