"""A roster: drawn, changed by hand, read again."""

import csv
import io

import pytest

from nanochat.course.grading.handed import KEYS
from nanochat.course.grading.roster import read_roster, roster_csv
from nanochat.course.lessons import find_exercise
from nanochat.course.variation import seed_of, variant_of
from nanochat.errors import DataError


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "students.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_seeds_and_variants_are_those_of_the_students_own_folders(table):
    (ada,) = read_roster(table("student\nada\n"), "spring")
    assert ada.seed == seed_of("spring", "ada")
    assert ada.variants == {key: variant_of(find_exercise(key), key, ada.seed) for key in KEYS}


def test_what_was_written_is_read_again_and_a_changed_cell_stays(table):
    students = read_roster(table("student,course,seed,1a\nada,spring,,erf\nbob,spring,7,\n"))
    assert read_roster(table(roster_csv(students))) == students
    assert (students[0].variants["1a"], students[1].seed) == ("erf", 7)


def test_columns_of_a_teacher_and_a_byte_order_mark_do_no_harm(table):
    text = '\ufeffname,student,e-mail\n"Love, A.",ada,a@b\n'
    assert [one.student for one in read_roster(table(text))] == ["ada"]


def test_an_id_that_a_spreadsheet_would_compute_is_inert_and_comes_back(table):
    students = read_roster(table("student\n=1+1\n@sum\n"))
    text = roster_csv(students)
    assert [row["student"] for row in csv.DictReader(io.StringIO(text))] == ["'=1+1", "'@sum"]
    assert read_roster(table(text)) == students


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name\nada\n", "line 1: there is no column `student`"),
        ("", "line 1: there is no column `student`"),
        ("student\n", "names no student"),
        ("student\nada\n Ada \n", "line 3: 'Ada' stands in line 2 already"),
        ("student,seed\nada,x\n", "line 2: seed='x'"),
        ("student,seed\nada,-1\n", "line 2: seed='-1'"),
        ("student,1a\nada,softplas\n", "did you mean 'softplus'"),
        ("student,seed\n,3\n", "line 2: the student has no id"),
        ('student\n"ada\n', "no CSV"),
        (b"student\n\xff\n", "not UTF-8"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_with_its_line(table, text, sentence):
    with pytest.raises(DataError) as refused:
        read_roster(table(text))
    assert sentence in str(refused.value)


def test_a_table_that_is_not_there_is_told_of(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_roster(tmp_path / "nowhere.csv")
