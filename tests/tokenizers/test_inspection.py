"""Tokens as a person reads them: nothing invisible, nothing lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.errors import TokenizerError
from nanochat.tokenizers import BPETokenizer, CharTokenizer, WordTokenizer
from nanochat.tokenizers.inspection import (
    cut,
    longest_tokens,
    measure,
    n_unknown,
    show_token,
    special_names,
    with_policy,
)

TEXT = "low lower lowest, slow\n"
BPE = BPETokenizer.train(TEXT, vocab_size=262, special_tokens=["<|end|>"])
WORD = WordTokenizer.train(TEXT, special_tokens=["</s>"], unknown="unk")
CHAR = CharTokenizer.train(TEXT, unknown="unk")


def pieces(tokenizer, text):
    return [piece.text for piece in cut(tokenizer, text)]


def test_an_id_that_stands_for_nothing_says_so():
    assert show_token(BPETokenizer.train("", vocab_size=257).padded(258), 257) == "<UNUSED>"


def test_a_text_is_shown_cut():
    assert pieces(BPE, "slow lower\n<|end|>") == ["s", "low", " lowe", "r", "\\n", "<|end|>"]
    assert pieces(WORD, "low, high </s>") == ["low", ",", "<UNK>", "</s>"]
    assert pieces(CHAR, "lo\nx") == ["l", "o", "\\n", "<UNK>"]


def test_bytes_that_are_no_character_are_escaped():
    assert pieces(BPE, "é") == ["\\xc3", "\\xa9"]


@given(st.text(max_size=20))
def test_what_is_shown_prints_and_carries_the_ids(text):
    if any("\ud800" <= ch <= "\udfff" for ch in text):
        return
    shown = cut(BPE, text)
    assert [piece.id for piece in shown] == BPE.encode(text)
    assert all(piece.text.isprintable() and piece.text for piece in shown)


@pytest.mark.parametrize(
    ("tokenizer", "names"),
    [
        (BPE, {"<|bos|>": 0, "<|end|>": 261}),
        (WORD, {"<BOS>": 0, "<UNK>": 1, "</s>": 2}),
        (CHAR, {"<BOS>": 0, "<UNK>": CHAR.vocab_size - 1}),
        (CharTokenizer.train("a"), {"<BOS>": 0}),
    ],
)
def test_marks_have_names(tokenizer, names):
    assert special_names(tokenizer) == names
    assert [show_token(tokenizer, id_) for id_ in names.values()] == list(names)


def test_the_longest_tokens_are_those_of_most_bytes():
    assert [BPE.tokens[id_] for id_ in longest_tokens(BPE, 2)] == [b" lowe", b" low"]
    assert longest_tokens(BPE, 0) == []
    assert len(longest_tokens(CHAR, 10_000)) == CHAR.vocab_size


def test_unknown_words_and_characters_are_counted_and_bytes_have_none():
    assert n_unknown(WORD, "high and low") == 2
    assert n_unknown(CHAR, "xylo") == 2
    assert n_unknown(BPE, "xylo\U0001f600") == 0


def test_a_policy_can_be_changed_where_there_is_one():
    assert with_policy(WORD, "skip").encode("high low") == WORD.encode("low")
    with pytest.raises(TokenizerError, match="high"):
        with_policy(WORD, "error").encode("high")
    with pytest.raises(TokenizerError, match="--unknown skip has no meaning for a bpe"):
        with_policy(BPE, "skip")
    with pytest.raises(TokenizerError, match="trained with it"):
        with_policy(CharTokenizer.train("a"), "unk")


def test_a_measurement_is_of_all_texts():
    found = measure(BPE, ["low low", "é"])
    assert (found.n_texts, found.n_bytes, found.n_words, found.n_tokens) == (2, 9, 3, 4)
    assert (found.n_unknown, found.n_restored) == (0, 2)
    assert (found.bytes_per_token, found.tokens_per_word) == (9 / 4, 4 / 3)
    assert found.megabytes_per_s > 0


def test_unknown_words_are_counted_where_encoding_would_stop_at_them():
    strict = with_policy(WORD, "error")
    found = measure(strict, ["low high", "low"])
    assert (found.n_unknown, found.n_tokens, found.n_restored) == (1, 2, 1)


def test_nothing_can_be_measured_too():
    found = measure(CHAR, [])
    assert (found.n_tokens, found.bytes_per_token, found.tokens_per_word) == (0, 0, 0)
