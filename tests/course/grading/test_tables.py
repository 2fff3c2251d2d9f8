"""Cells that a spreadsheet shows and does not compute."""

import csv
import io

import pytest

from nanochat.course.grading.tables import inert, to_csv


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@sum(A1)", "\t=1", " =1", "\r\n=1", "\uff1d1", "=cmd|' /C calc'!A0"]
)
def test_what_would_be_a_formula_is_text(cell):
    assert str(inert(cell)).startswith("'")


def test_nor_where_a_semicolon_divides_cells():
    assert inert("a;=1;b") == "a;'=1;b"


def test_numbers_and_words_stay():
    assert [inert(value) for value in (3, "", "ada", "1a of 11")] == [3, "", "ada", "1a of 11"]


def test_a_cell_is_one_line_without_commands_of_a_terminal():
    assert inert("a\nb\x1b[31m\u202e") == "a b\\x1b[31m\\u202e"


def test_csv_reads_back_cell_by_cell():
    rows = [{"a": 'say "x", then', "b": 3}, {"a": "", "b": "=x"}]
    assert list(csv.DictReader(io.StringIO(to_csv(rows)))) == [{"a": 'say "x", then', "b": "3"}, {"a": "", "b": "'=x"}]
