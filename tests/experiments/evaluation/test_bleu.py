"""BLEU by hand; tests/oracle/test_bleu.py compares it with sacrebleu."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.errors import DataError
from nanochat.experiments.evaluation.bleu import bleu, ngrams, tokenize_13a

SENTENCE = "The capital of Peru is Lima, a city."


def test_an_answer_that_is_the_reference_scores_100():
    found = bleu([SENTENCE, "yes"], [SENTENCE, "yes"])
    assert (found.score, found.brevity_penalty, found.n_words) == (pytest.approx(100), 1.0, 11)


def test_the_score_is_the_formula():
    found = bleu(["a b c d e"], ["a b c d x y"])
    assert found.precisions == pytest.approx((80, 75, 200 / 3, 50))  # 4/5, 3/4, 2/3, 1/2
    assert found.brevity_penalty == pytest.approx(math.exp(1 - 6 / 5))
    assert found.score == pytest.approx(100 * math.exp(1 - 6 / 5) * (4 / 5 * 3 / 4 * 2 / 3 / 2) ** (1 / 4))


def test_orders_without_a_match_count_half_then_a_quarter():
    assert bleu(["a b c d"], ["a b x y"]).precisions == pytest.approx((50, 100 / 3, 25, 25))  # 1/2 of 2, 1/4 of 1


def test_a_word_counts_as_often_as_the_reference_has_it():
    assert bleu(["the the the the"], ["the cat the mat"]).precisions[0] == 50


@pytest.mark.parametrize(
    ("answer", "reference"), [("x y z w", "a b c d"), ("", "a b c d"), ("a b c", "a b c"), ("", "")]
)
def test_nothing_in_common_or_less_than_four_words_in_all_is_0(answer, reference):
    assert bleu([answer], [reference]).score == 0


def test_the_corpus_counts_together_not_pair_by_pair():
    pairs = (["a b c d", "x"], ["a b c d", "y"])
    assert bleu(*pairs).score != pytest.approx((bleu(["a b c d"], ["a b c d"]).score + bleu(["x"], ["y"]).score) / 2)


@given(st.lists(st.tuples(st.text("abc .", max_size=9), st.text("abc .", max_size=9)), min_size=1, max_size=6))
def test_the_order_of_the_pairs_changes_no_bit_and_the_score_is_a_percentage(pairs):
    answers, references = zip(*pairs, strict=True)
    shuffled = random.Random(1).sample(pairs, len(pairs))
    found = bleu(answers, references)
    assert bleu(*zip(*shuffled, strict=True)) == found
    assert 0 <= found.score <= 100 + 1e-9


@pytest.mark.parametrize(("answers", "references"), [([], []), (["a"], []), (["a"], ["a", "b"])])
def test_what_is_no_list_of_pairs_is_refused(answers, references):
    with pytest.raises(DataError, match="BLEU needs pairs"):
        bleu(answers, references)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world!", "Hello , world !"),
        ("It's 3.14, or 1,000.", "It's 3.14 , or 1,000 ."),
        ("well-known 10-fold -5", "well-known 10 - fold -5"),
        ("a&amp;b &lt;c&gt; &quot;d&quot;", 'a & b < c > " d "'),
        ("end-\nof line\nnext", "endof line next"),
        (".5 5. a.b", ". 5 5 . a . b"),
        ("日本、(x)", "日本、 ( x )"),
    ],
)
def test_words_and_marks_are_cut_as_by_mteval(text, words):
    assert tokenize_13a(text) == words.split()


def test_ngrams_are_counted():
    assert ngrams(list("abab"), 2) == {("a", "b"): 2, ("b", "a"): 1}
    assert ngrams(["a"], 2) == {}
