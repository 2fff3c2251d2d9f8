"""The character tokenizer: laws of the round trip, its policies, and the sentence of every refusal."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.errors import TokenizerError
from nanochat.tokenizers import CharTokenizer, tokenizer_from_dict

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
ANY_TEXT = st.text(st.characters())  # lone surrogates too


def test_bos_is_zero_and_characters_follow_in_sorted_order():
    tokenizer = CharTokenizer.train("banana split")
    assert tokenizer.bos_id == 0
    assert tokenizer.chars == " abilnpst"
    assert tokenizer.vocab_size == 10
    assert tokenizer.encode(" at") == [1, 2, 9]


@given(TEXT)
def test_decoding_gives_back_any_text_it_was_trained_on(text):
    tokenizer = CharTokenizer.train(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(TEXT, TEXT)
def test_every_id_of_text_lies_between_bos_and_vocab_size(train, text):
    tokenizer = CharTokenizer.train(train, unknown="unk")
    assert all(0 < i < tokenizer.vocab_size for i in tokenizer.encode(text))


@given(TEXT, ANY_TEXT)
def test_encoding_equals_looking_each_character_up(train, text):
    tokenizer = CharTokenizer.train(train, unknown="skip")
    assert tokenizer.encode(text) == [train_id(tokenizer, ch) for ch in text if ch in tokenizer.chars]


def train_id(tokenizer, ch):
    return tokenizer.chars.index(ch) + 1


def test_text_longer_than_a_chunk_is_encoded_whole():
    text = "ab\U0001f600" * 400_000
    ids = CharTokenizer.train(text).encode_array(text)
    assert ids.dtype == np.uint16
    assert np.array_equal(ids, np.tile([1, 2, 3], 400_000))


def test_an_unknown_character_is_named_with_its_position_and_a_remedy():
    with pytest.raises(TokenizerError, match=r"character 'é' \(U\+00E9\) at position 3 .* --unknown skip"):
        CharTokenizer.train("cafe").encode("café")


def test_an_unknown_character_past_the_first_chunk_has_its_position_in_the_text():
    with pytest.raises(TokenizerError, match="at position 1100000 "):
        CharTokenizer.train("a").encode("a" * 1_100_000 + "b")


def test_skip_leaves_unknown_characters_out_and_they_can_be_counted():
    tokenizer = CharTokenizer.train("abc", unknown="skip")
    assert tokenizer.encode("a?b!\ud800c") == [1, 2, 3]
    assert tokenizer.n_unknown("a?b!\ud800c") == 3


def test_unk_is_one_more_id_and_the_last():
    tokenizer = CharTokenizer.train("abc", unknown="unk")
    assert tokenizer.vocab_size == 5
    assert tokenizer.encode("a?c") == [1, 4, 3]
    assert tokenizer.decode([0, 1, 4, 3]) == "a\ufffdc"


def test_the_policy_can_change_after_training_and_the_vocabulary_does_not():
    trained = CharTokenizer.train("abc", unknown="unk")
    skipping = replace(trained, unknown="skip")
    assert skipping.encode("a?") == [1]
    assert skipping.vocab_size == trained.vocab_size
    with pytest.raises(TokenizerError, match="train again with unknown='unk'"):
        replace(CharTokenizer.train("abc"), unknown="unk")


@pytest.mark.parametrize("bad", [-1, 4, 10**9])
def test_decoding_an_id_outside_the_vocabulary_names_it(bad):
    with pytest.raises(TokenizerError, match=f"id {bad} at position 1 is outside 0 to 3"):
        CharTokenizer.train("abc").decode([1, bad])


def test_nul_is_a_character_like_others():
    tokenizer = CharTokenizer.train("a\0b")
    assert tokenizer.encode("\0") == [1]
    assert tokenizer.decode([1, 2]) == "\0a"


def test_training_on_a_lone_surrogate_is_refused():
    with pytest.raises(TokenizerError, match="lone surrogate"):
        CharTokenizer.train("a\ud800")


@pytest.mark.parametrize("nothing", ["", [], [""]])
def test_training_on_nothing_is_refused(nothing):
    with pytest.raises(TokenizerError, match="no characters"):
        CharTokenizer.train(nothing)


def test_an_unknown_policy_is_refused():
    with pytest.raises(TokenizerError, match="unknown='ignore' is no policy"):
        CharTokenizer.train("abc", unknown="ignore")


def test_several_texts_train_one_vocabulary():
    assert CharTokenizer.train(["ab", "bc"]) == CharTokenizer.train("cab")


def test_token_bytes_count_utf8_and_special_ids_have_none():
    tokenizer = CharTokenizer.train("aé€\U0001f600", unknown="unk")
    assert tokenizer.token_bytes().tolist() == [0, 1, 2, 3, 4, 0]


@given(TEXT, st.sampled_from(["error", "skip", "unk"]))
def test_a_tokenizer_survives_json(text, unknown):
    tokenizer = CharTokenizer.train(text, unknown=unknown)
    assert tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict()))) == tokenizer


GOOD = {"kind": "char", "chars": "abc", "unknown": "error", "has_unk": False}


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (["char"], "is a JSON object, not list"),
        ({}, "kind None is unknown"),
        (GOOD | {"kind": "bpe2"}, "kind 'bpe2' is unknown: this version reads char"),
        (GOOD | {"kind": ["char"]}, "is unknown"),
        (GOOD | {"char": "abc"}, r"no setting tokenizer\.char: did you mean 'chars'"),
        (GOOD | {3: 4}, r"no setting tokenizer\.3: choose one of chars, unknown, has_unk"),
        ({"kind": "char"}, r"tokenizer\.chars does not fit: field required"),
        (GOOD | {"chars": ["a", "b"]}, r"tokenizer\.chars=.* valid string"),
        (GOOD | {"chars": "acb"}, "'b' at position 2 of the vocabulary is not in sorted order"),
        (GOOD | {"chars": "aab"}, "'a' at position 1 of the vocabulary is not in sorted order"),
        (GOOD | {"chars": ""}, "no characters"),
        (GOOD | {"chars": "a\ud800"}, "does not fit"),
        (GOOD | {"unknown": "drop"}, r"tokenizer\.unknown='drop'"),
        (GOOD | {"unknown": "unk"}, "has no <UNK> id"),
        (GOOD | {"has_unk": 1}, r"tokenizer\.has_unk=1"),
    ],
)
def test_a_broken_dictionary_is_refused_by_entry(broken, sentence):
    with pytest.raises(TokenizerError, match=sentence):
        tokenizer_from_dict(broken)
