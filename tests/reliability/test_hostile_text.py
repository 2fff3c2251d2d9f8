"""Text that somebody will paste sooner or later."""

import pytest
from amount import amount
from hostile import invented_texts, named_texts, on_the_command_line, outcome
from hostile_text import TEXTS
from tally import Tally


@pytest.mark.slow
def test_every_text_of_the_table_goes_through_every_door(tmp_path):
    assert len(TEXTS) >= 25
    assert named_texts(tmp_path).failures == []


def test_invented_texts_go_through_every_door(tmp_path):
    tally = invented_texts(amount(60, 200), tmp_path)
    assert tally.failures == []
    assert tally.n >= amount(45, 150)


@pytest.mark.slow
def test_any_text_on_the_command_line_is_taken_or_refused_in_a_sentence(tmp_path):
    assert on_the_command_line(tmp_path, every=4).failures == []


@pytest.mark.parametrize(
    "error", [KeyError("\ud800"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no"), RecursionError()]
)
def test_the_harness_sees_any_other_exception(error):
    def door():
        raise error

    assert type(error).__name__ in str(outcome(door, Tally("planted")))
