"""The split is a partition that no seed moves; style reaches the training side only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.data.corpus import Corpus
from nanochat.data.load import load_corpus
from nanochat.data.split import FUTURISTIC_SENTENCES, FUTURISTIC_WORDS, split, style
from nanochat.errors import ConfigError

FRACTIONS = st.floats(0.01, 0.99)


def stream(text):
    return Corpus("test", "stream", (text,), "test")


def documents(n):
    return Corpus("test", "documents", tuple(f"document {i}" for i in range(n)), "test")


@pytest.mark.parametrize(("n", "n_val"), [(1000, 100), (25, 3), (35, 4), (15, 2), (16, 2)])
def test_the_last_tenth_of_a_stream_validates_and_halves_round_up(n, n_val):
    sides = split(stream("x" * n))
    assert (len(sides.train[0]), len(sides.val[0])) == (n - n_val, n_val)


@given(st.text(min_size=2), FRACTIONS)
def test_a_split_stream_joins_to_the_text_or_both_sides_are_all_of_it(text, fraction):
    sides = split(stream(text), fraction)
    if sides.val_is_train:
        assert sides.train == sides.val == (text,)
    else:
        assert sides.train[0] + sides.val[0] == text
        assert min(len(sides.train[0]), len(sides.val[0])) >= 2


@pytest.mark.parametrize("n", [2, 3, 10, 14])
def test_a_stream_too_short_for_two_pairs_is_both_sides(n):
    assert split(stream("x" * n)).val_is_train


def test_every_tenth_document_validates():
    sides = split(documents(35))
    assert sides.val == ("document 9", "document 19", "document 29")
    assert not sides.val_is_train


@given(st.integers(2, 300), FRACTIONS)
def test_documents_are_partitioned_and_neither_side_is_empty(n, fraction):
    corpus = documents(n)
    sides = split(corpus, fraction)
    assert sides.train
    assert sides.val
    assert sorted(sides.train + sides.val) == sorted(corpus.documents)


@given(st.integers(20, 300), FRACTIONS)
def test_the_number_of_validation_documents_follows_the_fraction(n, fraction):
    n_val = len(split(documents(n), fraction).val)
    assert abs(n_val - n * fraction) <= 1.5  # floor, and at least one of each


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 2, float("nan")])
def test_a_fraction_that_empties_a_side_is_refused(fraction):
    with pytest.raises(ConfigError, match="val_fraction"):
        split(documents(10), fraction)


def test_classic_changes_nothing():
    sides = split(documents(20))
    assert style(sides, "classic") is sides


@pytest.mark.parametrize("spec", ["builtin:names", "builtin:verse", "builtin:facts"])
def test_futuristic_reaches_the_training_text_only(spec):
    plain = split(load_corpus(spec))
    sides = style(plain, "futuristic")
    assert sides.val == plain.val
    assert all(sentence in "\n".join(sides.train) for sentence in FUTURISTIC_SENTENCES)
    assert not any(sentence in "\n".join(sides.val) for sentence in FUTURISTIC_SENTENCES)


def test_futuristic_appends_documents_to_documents_and_lines_to_a_stream():
    assert style(split(documents(20)), "futuristic").train[-4:] == FUTURISTIC_SENTENCES
    text = style(split(stream("x" * 40)), "futuristic").train
    assert text == ("x" * 36 + "\n" + "\n".join(FUTURISTIC_SENTENCES),)


def test_the_four_sentences_are_about_200_characters_and_hold_every_favoured_word():
    text = "\n".join(FUTURISTIC_SENTENCES)
    assert len(FUTURISTIC_SENTENCES) == 4
    assert 180 <= len(text) <= 220
    assert all(word in text for word in FUTURISTIC_WORDS)


def test_an_unknown_style_is_refused():
    with pytest.raises(ConfigError, match="style='retro' is unknown"):
        style(split(documents(20)), "retro")


def test_a_small_fraction_is_taken_as_it_is():
    assert len(split(documents(10_000), 0.0004).val) == 4
    assert len(split(documents(9), 1 / 3).val) == 3
