"""Exact matches, and the interval of their share."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.experiments.evaluation.matching import matches, share


@pytest.mark.parametrize("answer", ["Lima", "lima.", " LIMA !\n", "Lima?!", "lima .", "the Lima"])
def test_case_space_final_marks_and_an_article_do_not_count(answer):
    assert matches(answer, "Lima.")


@pytest.mark.parametrize("answer", ["", ".", "Lima Peru", "L ima", "Limá"])
def test_everything_else_counts(answer):
    assert not matches(answer, "Lima.")


@given(st.text())
def test_a_text_matches_itself(text):
    assert matches(text, text)
    assert matches(f" {text}. ", text)


def test_composed_and_decomposed_accents_are_the_same():
    assert matches("Bogota\u0301", "bogot\u00e1")


def test_wilsons_interval_is_that_of_the_formula():
    found = share([True] * 8 + [False] * 2)
    assert (found.n_right, found.n, found.value) == (8, 10, 0.8)
    assert (found.low, found.high) == pytest.approx((0.4901625, 0.9433178), abs=1e-7)
    assert share([True] * 3).high == 1.0
    assert share([False] * 3).low == 0.0
    assert share([True] * 3).low == pytest.approx(1 / (1 + 1.959964**2 / 3), abs=1e-6)


def test_of_nothing_nothing_is_known():
    found = share([])
    assert (found.low, found.high) == (0.0, 1.0)
    assert math.isnan(found.value)


@given(st.lists(st.booleans(), min_size=1), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_share_lies_in_its_interval_and_wrong_mirrors_right(right, confidence):
    found, mirrored = share(right, confidence), share([not one for one in right], confidence)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert (found.low, found.high) == pytest.approx((1 - mirrored.high, 1 - mirrored.low))
