"""Sheets: one question a lesson, other numbers for a neighbour; the page in docs/ is what the bank says."""

from page import PAGE, SEED

from nanochat.course.bank.item import shown
from nanochat.course.bank.sheet import BANK, bank_page, question, sheet, sheet_text

ALL = range(1, 13)


def test_a_sheet_has_a_question_of_each_lesson_and_is_the_same_again():
    assert [one.lesson for one in sheet(7, ALL)] == list(ALL)
    assert sheet(7, ALL) == sheet(7, ALL)
    assert sheet(7, [3, 9]) == [one for one in sheet(7, ALL) if one.lesson in (3, 9)]


def test_neighbours_have_other_sheets():
    assert len({tuple(one.text for one in sheet(seed, ALL)) for seed in range(50)}) == 50


def test_every_question_has_several_drawings_and_no_gap_left():
    for item in BANK:
        texts = {question(item, seed).text for seed in range(60)}
        assert len(texts) >= 3, item.name
        assert not any("{" in text or "|" in text for text in texts), item.name


def test_a_key_can_be_read():
    assert [shown(x) for x in (0.125, -0.0, 3, 1e12, [1, -2], "yes")] == ["0.125", "0", "3", "1e+12", "(1, -2)", "yes"]


def test_a_sheet_tells_no_key():
    questions = sheet(3, ALL)
    text = sheet_text("ada", questions)
    assert text.startswith("# ada\n")
    assert all(one.text in text for one in questions)


def test_the_page_in_docs_is_what_the_bank_says():
    assert PAGE.read_text(encoding="utf-8") == bank_page(SEED), "write it anew: python tests/course/bank/page.py"
