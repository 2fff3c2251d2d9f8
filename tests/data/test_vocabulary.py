"""Which tokenizer a corpus gets, and what a word does that it has not seen."""

import numpy as np
import pytest

from nanochat.data.chat import ChatTemplate
from nanochat.data.config import DataConfig
from nanochat.data.vocabulary import count_unknown, extend_tokenizer, make_tokenizer
from nanochat.errors import ConfigError, NanochatWarning, TokenizerError
from nanochat.tokenizers import BPETokenizer, CharTokenizer, WordTokenizer, save_tokenizer

TRAIN, VAL = ["the cat sat", "the dog sat"], ["the bird sat"]
MARKS = ChatTemplate().special_tokens


def made(tokenizer, **settings):
    return make_tokenizer(DataConfig(tokenizer=tokenizer, **settings), TRAIN, VAL, "the text")


def test_characters_are_those_of_both_sides():
    assert made("char").chars == "".join(sorted(set("".join(TRAIN + VAL))))


def test_words_are_those_of_the_training_side_and_others_read_unk():
    tokenizer = made("word")
    assert tokenizer.tokens == (*MARKS, "cat", "dog", "sat", "the")
    assert tokenizer.encode("the bird sat") == [9, 1, 8]
    assert count_unknown(tokenizer, tokenizer.encode_array("the bird sat"), VAL) == 1


def test_an_unknown_word_can_be_left_out_or_refused_instead():
    skipping = made("word", unknown="skip")
    assert skipping.encode("the bird sat") == [8, 7]
    assert count_unknown(skipping, skipping.encode_array("the bird sat"), VAL) == 1
    with pytest.raises(TokenizerError, match="word 'bird'"):
        made("word", unknown="error").encode("the bird sat")


def test_byte_pairs_spell_every_text():
    tokenizer = made("bpe")
    assert tokenizer.decode(tokenizer.encode("a bird")) == "a bird"
    assert b" the" not in tokenizer.tokens
    assert b"the" in tokenizer.tokens
    assert count_unknown(tokenizer, np.array([1, 1]), VAL) == 0


@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_words_and_byte_pairs_know_the_turns_of_a_chat(kind):
    assert ChatTemplate().fits(made(kind))


@pytest.mark.parametrize(("kind", "size", "has"), [("word", 1000, 10), ("bpe", 2000, 266)])
def test_a_vocabulary_larger_than_the_text_allows_is_smaller_and_said(kind, size, has):
    with pytest.warns(
        NanochatWarning, match=f"the text has too few .* for vocab_size={size}: the vocabulary has {has}"
    ):
        assert made(kind, vocab_size=size).vocab_size == has


def test_vocab_size_and_min_count_bound_the_words():
    assert made("word", vocab_size=8).tokens == (*MARKS, "sat", "the")
    assert made("word", min_count=2).tokens == (*MARKS, "sat", "the")
    with pytest.raises(TokenizerError, match="no word occurs min_count=9 times, the commonest "):
        made("word", min_count=9)
    with pytest.raises(TokenizerError, match="vocab_size=6 leaves no room for words"):
        made("word", vocab_size=6)


def test_a_file_is_read_and_gets_the_turns_after_its_own_ids(tmp_path):
    saved = BPETokenizer.train("the the cat", vocab_size=258)
    save_tokenizer(saved, tmp_path / "bpe.json")
    tokenizer = made(str(tmp_path / "bpe.json"))
    assert tokenizer.tokens[: saved.vocab_size] == saved.tokens
    assert [tokenizer.special_ids[name] for name in MARKS] == [258, 259, 260, 261]
    save_tokenizer(CharTokenizer.train("the cat"), tmp_path / "char.json")
    assert made(str(tmp_path / "char.json"), unknown="skip").encode("t!") == CharTokenizer.train("the cat").encode("t")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"vocab_size": 9}, "vocab_size=9 has no meaning for tokenizer=char"),
        ({"tokenizer": "t.json", "min_count": 2}, "min_count=2 has no meaning for tokenizer=t.json"),
        ({"tokenizer": "word", "vocab_size": -1}, "vocab_size=-1 is too small: give 0 or more"),
        ({"tokenizer": "bpe", "unknown": "skip"}, "unknown=skip has no meaning for bpe"),
    ],
)
def test_settings_without_effect_are_refused(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        DataConfig(**settings)


def test_a_misspelled_kind_is_named():
    with pytest.raises(TokenizerError, match="tokenizer='wrod' is neither char, word, bpe nor a file"):
        made("wrod")
    with pytest.raises(TokenizerError, match=r"there is no file nothing\.json"):
        made("nothing.json")


def test_extended_words_keep_their_ids():
    tokenizer = WordTokenizer.train("the cat", unknown="unk")
    extended = extend_tokenizer(tokenizer, ["the new cat"])
    assert extended.tokens == (*tokenizer.tokens, "new", *MARKS)


def test_extended_characters_are_sorted_anew_and_keep_their_policy():
    tokenizer = CharTokenizer.train("bd", unknown="unk")
    assert extend_tokenizer(tokenizer, ["abc"]) == CharTokenizer.train("abcd", unknown="unk")


def test_extended_byte_pairs_get_the_turns_only():
    tokenizer = BPETokenizer.train("the the cat", vocab_size=258)
    extended = extend_tokenizer(tokenizer, ["another text"])
    assert (extended.merges, extended.vocab_size) == (tokenizer.merges, 262)
