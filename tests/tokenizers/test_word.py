"""The word tokenizer: what a word is, which words stay, the three policies, and the sentence of every refusal."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.errors import TokenizerError
from nanochat.tokenizers import WordTokenizer, tokenizer_from_dict
from nanochat.tokenizers import pieces as cutting

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PROSE = st.lists(
    st.sampled_from(
        ["the", "cat", "Emma", "don", "'", "’", '"', "(", ")", ".", ",", "-", "3", "é", "</s>", " ", "\n", "日本"]
    ),
    max_size=40,
).map("".join)


def words(tokenizer, text):
    """The tokens of a text as strings."""
    return [tokenizer.tokens[i - 1 - tokenizer.has_unk] for i in tokenizer.encode(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello, world!", ["hello", ",", "world", "!"]),
        ("don't", ["don", "'", "t"]),
        ("3.14", ["3", ".", "14"]),
        ("a--b", ["a", "-", "-", "b"]),
        ("naïve—Ünïcode…", ["naïve", "—", "Ünïcode", "…"]),
        ("日本語、テキスト。", ["日本語", "、", "テキスト", "。"]),
        ("cafe\u0301\u2003x\u00a0y", ["cafe\u0301", "x", "y"]),
        ("2+2=4 €5", ["2", "+", "2", "=", "4", "€", "5"]),
        ("a</s>b </s>", ["a", "</s>", "b", "</s>"]),
        (" \t\r\n", []),
    ],
)
def test_marks_and_symbols_are_tokens_of_their_own(text, expected):
    tokenizer = WordTokenizer.train(text + " x", special_tokens=["</s>"])
    assert words(tokenizer, text) == expected


def test_bos_is_zero_then_unk_then_special_tokens_then_words_in_sorted_order():
    tokenizer = WordTokenizer.train("b a. b", special_tokens=["</s>", "<x>"], unknown="unk")
    assert tokenizer.bos_id == 0
    assert tokenizer.tokens == ("</s>", "<x>", ".", "a", "b")
    assert tokenizer.special_ids == {"</s>": 2, "<x>": 3}
    assert tokenizer.encode("a ? b") == [5, 1, 6]
    assert tokenizer.vocab_size == 7


def test_special_tokens_leave_none_of_their_characters_in_the_vocabulary():
    assert WordTokenizer.train("yes </s>", special_tokens=["</s>"]).tokens == ("</s>", "yes")


def test_ordinary_encoding_finds_no_special_token():
    tokenizer = WordTokenizer.train("< / s > </s>", special_tokens=["</s>"])
    assert tokenizer.decode(tokenizer.encode_ordinary("</s>")) != tokenizer.decode(tokenizer.encode("</s>"))
    assert tokenizer.special_ids["</s>"] not in tokenizer.encode_ordinary("</s>")


def test_the_cap_keeps_the_commonest_and_of_equals_the_first_in_order():
    tokenizer = WordTokenizer.train("c c c b b a a d", vocab_size=4, unknown="unk")
    assert tokenizer.tokens == ("a", "c")
    assert WordTokenizer.train("c c c b b a a d", min_count=2).tokens == ("a", "b", "c")


def test_a_vocabulary_larger_than_the_text_allows_is_smaller():
    assert WordTokenizer.train("a b", vocab_size=1000).vocab_size == 3


def test_several_texts_train_one_vocabulary_in_any_order():
    assert WordTokenizer.train(["b a", "c a"]) == WordTokenizer.train(["c a", "b a"])


def test_an_unknown_word_is_named_with_its_position_and_a_remedy():
    with pytest.raises(TokenizerError, match=r"word 'dog' at position 8 is not among the 2 tokens .* --unknown skip"):
        WordTokenizer.train("the cat").encode("the cat dog")


def test_skip_and_unk_and_how_many_words_they_apply_to():
    trained = WordTokenizer.train("a b", unknown="unk")
    assert trained.encode("a ? b dog") == [2, 1, 3, 1]
    assert trained.decode([2, 1, 3]) == "a \ufffd b"
    skipping = replace(trained, unknown="skip")
    assert skipping.encode("a ? b dog") == [2, 3]
    assert skipping.n_unknown("a ? b dog") == 2
    assert WordTokenizer.train("a b", unknown="skip").encode("? ! dog") == []


def test_unk_cannot_be_had_afterwards():
    with pytest.raises(TokenizerError, match="train again with unknown='unk'"):
        replace(WordTokenizer.train("a"), unknown="unk")


def test_new_words_come_after_the_old_whose_ids_stay():
    tokenizer = WordTokenizer.train("the cat", unknown="unk")
    grown = tokenizer.extended(["the dog sat </s>", "a dog"], special_tokens=["</s>"])
    assert grown.tokens == ("cat", "the", "</s>", "a", "dog", "sat")
    assert grown.encode("the cat") == tokenizer.encode("the cat")
    assert grown.extended("the dog", special_tokens=["</s>"]) == grown
    with pytest.raises(TokenizerError, match="'cat' is already a plain word"):
        tokenizer.extended("x", special_tokens=["cat"])


@given(TEXT | PROSE)
def test_what_decoding_gives_has_the_same_ids_again(text):
    tokenizer = WordTokenizer.train([text, "x"], special_tokens=["</s>"])
    ids = tokenizer.encode(text)
    assert tokenizer.encode(tokenizer.decode(ids)) == ids


@given(TEXT | PROSE)
def test_nothing_but_white_space_is_lost(text):
    tokenizer = WordTokenizer.train([text, "x"], special_tokens=["</s>"])
    tokens = words(tokenizer, text)
    assert "".join(tokens) == "".join(ch for ch in text if not cutting.regex.match(r"\s", ch))
    plain = [id_ for id_ in tokenizer.encode(text) if id_ not in tokenizer.special_ids.values()]
    assert tokenizer.token_bytes()[plain].sum() == sum(len(t.encode()) for t in tokens if t != "</s>")


@given(TEXT, TEXT)
def test_every_id_of_text_lies_between_bos_and_vocab_size(train, text):
    tokenizer = WordTokenizer.train([train, "x"], unknown="unk")
    ids = tokenizer.encode_array(text)
    assert ids.dtype == np.uint16
    assert ids.tolist() == tokenizer.encode(text)
    assert all(0 < i < tokenizer.vocab_size for i in ids)


@given(PROSE)
def test_a_text_encoded_in_chunks_has_the_same_ids(text):
    tokenizer = WordTokenizer.train([text, "x"], special_tokens=["</s>"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cutting.chunks, "__defaults__", (3,))
        in_chunks = tokenizer.encode(text)
    assert in_chunks == tokenizer.encode(text)


@given(PROSE)
def test_streaming_gives_the_same_text_as_decoding_at_once(text):
    tokenizer = WordTokenizer.train([text, "x"], special_tokens=["</s>"])
    ids = tokenizer.encode(text)
    assert "".join(tokenizer.decode_stream(iter([0, *ids, 0]))) == tokenizer.decode(ids)


@pytest.mark.parametrize("bad", [-1, 3, 10**9])
def test_decoding_an_id_outside_the_vocabulary_names_it(bad):
    with pytest.raises(TokenizerError, match=f"id {bad} at position 1 is outside 0 to 2"):
        WordTokenizer.train("a b").decode([1, bad])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"texts": ""}, "no words"),
        ({"texts": []}, "no words"),
        ({"texts": "a b b", "min_count": 3}, "no word occurs min_count=3 times, the commonest 2: give less"),
        ({"texts": "a\ud800"}, "neither one word nor one punctuation mark"),
        ({"texts": "a", "vocab_size": 1}, "vocab_size=1 leaves no room for words: choose 2 or more"),
        ({"texts": "a", "vocab_size": 3, "special_tokens": ["<x>"], "unknown": "unk"}, "choose 4 or more"),
        ({"texts": "a", "special_tokens": ["a b"]}, "special token 'a b' is empty or holds a space"),
        ({"texts": "a", "special_tokens": [""]}, "special token '' is empty"),
        ({"texts": "a", "unknown": "drop"}, "unknown='drop' is no policy"),
    ],
)
def test_training_refuses_what_makes_no_sense(arguments, sentence):
    with pytest.raises(TokenizerError, match=sentence):
        WordTokenizer.train(**arguments)


@given(PROSE, st.sampled_from(["error", "skip", "unk"]))
def test_a_tokenizer_survives_json(text, unknown):
    tokenizer = WordTokenizer.train([text, "x"], special_tokens=["</s>"], unknown=unknown)
    assert tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict()))) == tokenizer


GOOD = WordTokenizer.train("a b", special_tokens=["</s>"]).to_dict()


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({"kind": "word"}, r"tokenizer\.tokens does not fit: field required"),
        (GOOD | {"words": []}, r"no setting tokenizer\.words"),
        (GOOD | {"tokens": "ab"}, r"tokenizer\.tokens='ab'"),
        (GOOD | {"tokens": ["a", 7]}, r"tokenizer\.tokens\.1=7"),
        (GOOD | {"tokens": ["</s>", "a", "a"]}, "token 'a' stands twice"),
        (GOOD | {"tokens": ["</s>", "a b"]}, "token 'a b' is neither one word"),
        (GOOD | {"tokens": ["</s>", ""]}, "token '' is neither one word"),
        (GOOD | {"tokens": ["</s>", "don't"]}, 'token "don\'t" is neither one word'),
        (GOOD | {"tokens": ["</s>", "\ud800"]}, "does not fit"),
        (GOOD | {"tokens": ["a"]}, "special token '</s>' is not in the vocabulary"),
        (GOOD | {"tokens": [], "special_tokens": []}, "no words"),
        (GOOD | {"unknown": "unk"}, "has no <UNK> id"),
        (GOOD | {"has_unk": 1}, r"tokenizer\.has_unk=1"),
    ],
)
def test_a_broken_dictionary_is_refused_by_entry(broken, sentence):
    with pytest.raises(TokenizerError, match=sentence):
        tokenizer_from_dict(broken)
