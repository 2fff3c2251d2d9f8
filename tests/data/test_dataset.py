"""From a name to ids: both sides spelled by one vocabulary, and the counts that a report quotes."""

import numpy as np
import pytest

from nanochat.data import build_dataset
from nanochat.data.splitting import FUTURISTIC_SENTENCES
from nanochat.errors import DataError, TokenizerError
from nanochat.tokenizers import CharTokenizer


@pytest.fixture
def stream_path(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("abcd" * 24 + "wxyz", encoding="utf-8")
    return str(path)


def test_names_become_documents_of_27_ids():
    dataset = build_dataset("builtin:names")
    assert dataset.kind == "documents"
    assert dataset.tokenizer.vocab_size == 27
    assert len(dataset.val.marks) - 1 == len(dataset.sides.val) == 516
    assert dataset.n_train_tokens + dataset.n_val_tokens == dataset.text_bytes


def test_a_stream_becomes_one_text_without_bos(stream_path):
    dataset = build_dataset(stream_path)
    assert dataset.kind == "windows"
    assert dataset.tokenizer.decode(dataset.train.ids) == "abcd" * 22 + "ab"
    assert (dataset.n_train_tokens, dataset.n_val_tokens) == (90, 10)
    assert not dataset.val_is_train


def test_the_vocabulary_spells_the_validation_text_too(stream_path):
    dataset = build_dataset(stream_path)
    assert dataset.tokenizer.chars == "abcdwxyz"
    assert dataset.tokenizer.decode(dataset.val.ids).endswith("wxyz")


def test_futuristic_counts_in_the_training_tokens_only(stream_path):
    plain = build_dataset(stream_path)
    styled = build_dataset(stream_path, style_name="futuristic")
    assert styled.n_train_tokens == plain.n_train_tokens + sum(len(s) + 1 for s in FUTURISTIC_SENTENCES)
    assert styled.tokenizer.decode(styled.val.ids) == plain.tokenizer.decode(plain.val.ids)
    assert styled.text_bytes == plain.text_bytes


def test_a_given_tokenizer_is_used_as_it_is(stream_path):
    tokenizer = CharTokenizer.train("abcdwxyz!")
    dataset = build_dataset(stream_path, tokenizer=tokenizer)
    assert dataset.tokenizer is tokenizer
    assert dataset.train.ids[:4].tolist() == tokenizer.encode("abcd")


def test_a_character_that_a_given_tokenizer_cannot_spell_is_named_with_the_corpus(stream_path):
    with pytest.raises(TokenizerError, match=r"in the validation text of .*text\.txt: character 'w'"):
        build_dataset(stream_path, tokenizer=CharTokenizer.train("abcd"))


def test_a_side_of_skipped_characters_only_is_refused(stream_path):
    with pytest.raises(DataError, match=r"the training text of .* has 0 tokens"):
        build_dataset(stream_path, tokenizer=CharTokenizer.train("!", unknown="skip"))


def test_the_policy_for_unknown_characters_is_the_tokenizers(stream_path):
    tokenizer = build_dataset(stream_path, unknown="unk").tokenizer
    assert tokenizer.vocab_size == 10
    assert tokenizer.encode("?") == [9]


def test_a_text_too_short_to_split_is_both_sides(tmp_path):
    (tmp_path / "short.txt").write_text("abab", encoding="utf-8")
    dataset = build_dataset(str(tmp_path / "short.txt"))
    assert dataset.val_is_train
    assert np.array_equal(dataset.train.ids, dataset.val.ids)
