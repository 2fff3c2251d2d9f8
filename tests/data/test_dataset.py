"""From a name to ids: both sides spelled by one vocabulary, and the counts that a report quotes."""

import json

import numpy as np
import pytest

from nanochat.data.config import DataConfig
from nanochat.data.dataset import build_dataset
from nanochat.data.split import FUTURISTIC_SENTENCES
from nanochat.errors import ConfigError, DataError, NanochatWarning, TokenizerError
from nanochat.tokenizers import CharTokenizer, WordTokenizer
from nanochat.training.folder.checkpoint import fingerprint


@pytest.fixture
def stream_path(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("abcd" * 24 + "wxyz", encoding="utf-8")
    return str(path)


def test_names_become_documents_of_27_ids():
    dataset = build_dataset(DataConfig(source="builtin:names"))
    assert dataset.kind == "documents"
    assert dataset.tokenizer.vocab_size == 27
    assert len(dataset.val.marks) - 1 == len(dataset.sides.val) == 516
    assert dataset.n_train_tokens + dataset.n_val_tokens == dataset.text_bytes


def test_a_stream_becomes_one_text_without_bos(stream_path):
    dataset = build_dataset(DataConfig(source=stream_path))
    assert dataset.kind == "windows"
    assert dataset.tokenizer.decode(dataset.train.ids) == "abcd" * 22 + "ab"
    assert (dataset.n_train_tokens, dataset.n_val_tokens) == (90, 10)
    assert not dataset.val_is_train


def test_the_vocabulary_spells_the_validation_text_too(stream_path):
    dataset = build_dataset(DataConfig(source=stream_path))
    assert dataset.tokenizer.chars == "abcdwxyz"
    assert dataset.tokenizer.decode(dataset.val.ids).endswith("wxyz")


def test_futuristic_counts_in_the_training_tokens_only(stream_path):
    plain = build_dataset(DataConfig(source=stream_path))
    styled = build_dataset(DataConfig(source=stream_path, style="futuristic"))
    assert styled.n_train_tokens == plain.n_train_tokens + sum(len(s) + 1 for s in FUTURISTIC_SENTENCES)
    assert styled.tokenizer.decode(styled.val.ids) == plain.tokenizer.decode(plain.val.ids)
    assert styled.text_bytes == plain.text_bytes


def test_a_given_tokenizer_is_used_as_it_is(stream_path):
    tokenizer = CharTokenizer.train("abcdwxyz!")
    dataset = build_dataset(DataConfig(source=stream_path), tokenizer)
    assert dataset.tokenizer is tokenizer
    assert dataset.train.ids[:4].tolist() == tokenizer.encode("abcd")


def test_a_character_that_a_given_tokenizer_cannot_spell_is_named_with_the_corpus(stream_path):
    with pytest.raises(TokenizerError, match=r"in the validation text of .*text\.txt: character 'w'"):
        build_dataset(DataConfig(source=stream_path), CharTokenizer.train("abcd"))


def test_a_side_of_skipped_characters_only_is_refused(stream_path):
    with pytest.raises(DataError, match=r"the training text of .* has 0 tokens"):
        build_dataset(DataConfig(source=stream_path), CharTokenizer.train("!", unknown="skip"))


def test_the_policy_for_unknown_characters_is_the_tokenizers(stream_path):
    tokenizer = build_dataset(DataConfig(source=stream_path, unknown="unk")).tokenizer
    assert tokenizer.vocab_size == 10
    assert tokenizer.encode("?") == [9]


def test_a_text_too_short_to_split_is_both_sides(tmp_path):
    (tmp_path / "short.txt").write_text("abab", encoding="utf-8")
    dataset = build_dataset(DataConfig(source=tmp_path / "short.txt"))
    assert dataset.val_is_train
    assert np.array_equal(dataset.train.ids, dataset.val.ids)


ROWS = [f"User: what is {i}? Assistant: it is {i}. </s>" for i in range(20)]


@pytest.fixture
def chat_path(tmp_path):
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(ROWS), encoding="utf-8")
    return str(path)


@pytest.mark.filterwarnings("ignore:.* are not in the vocabulary")
def test_conversations_become_documents_whose_answers_count(chat_path):
    dataset = build_dataset(DataConfig(source=chat_path, tokenizer="word"))
    assert (dataset.kind, len(dataset.sides.train), len(dataset.sides.val)) == ("documents", 18, 2)
    shown = dataset.tokenizer.decode(dataset.train.ids[dataset.train.counted][:10])
    assert shown == "it is 0. <|end|> it is 1. <|end|>"
    assert dataset.train.ids[0] == dataset.tokenizer.bos_id
    assert not dataset.train.counted[dataset.train.marks].any()


@pytest.mark.filterwarnings("ignore:.* are not in the vocabulary")
def test_all_tokens_of_conversations_can_count(chat_path):
    answers, everything = (
        build_dataset(DataConfig(source=chat_path, tokenizer="word", loss_on=loss_on)) for loss_on in ("answers", "all")
    )
    assert everything.train.counted is None
    assert np.array_equal(everything.train.ids, answers.train.ids)
    with pytest.raises(ConfigError, match="loss_on='prompts' is unknown"):
        build_dataset(DataConfig(source=chat_path, loss_on="prompts"))


def test_conversations_need_a_tokenizer_that_can_mark_turns(chat_path):
    with pytest.raises(
        TokenizerError, match=r"in the training text of .*chat\.json: a character tokenizer has no spec"
    ):
        build_dataset(DataConfig(source=chat_path))
    with pytest.raises(ConfigError, match="style='futuristic' adds sentences to a text"):
        build_dataset(DataConfig(source=chat_path, style="futuristic"))


def test_words_that_only_validation_holds_are_counted_and_said(chat_path):
    with pytest.warns(NanochatWarning, match=r"^4 of 24 tokens of the validation text of .* of 29 and are read <UNK>$"):
        build_dataset(DataConfig(source=chat_path, tokenizer="word"))
    with pytest.warns(NanochatWarning, match=r"^4 of 24 tokens of the validation text of .* of 28 and are left out$"):
        build_dataset(DataConfig(source=chat_path, tokenizer="word", unknown="skip"))
    with pytest.raises(TokenizerError, match=r"in the validation text of .*: word '9' at position"):
        build_dataset(DataConfig(source=chat_path, tokenizer="word", unknown="error"))


def test_words_that_the_cap_leaves_out_of_training_are_said_too(chat_path):
    with pytest.warns(NanochatWarning, match="are read <UNK>") as told:
        build_dataset(DataConfig(source=chat_path, tokenizer="word", vocab_size=20))
    assert ["of the training text of" in str(warning.message) for warning in told] == [True, False]


def test_a_given_tokenizer_is_extended_on_request(chat_path):
    tokenizer = WordTokenizer.train("what is it?", unknown="unk")
    with pytest.raises(TokenizerError, match=r"the tokenizer has no <\|system\|>"):
        build_dataset(DataConfig(source=chat_path), tokenizer)
    with pytest.warns(NanochatWarning, match="4 of 24 tokens of the validation text"):
        dataset = build_dataset(DataConfig(source=chat_path), tokenizer, extend=True)
    assert dataset.tokenizer.tokens[:4] == tokenizer.tokens
    assert (dataset.train.ids == 1).sum() == 0


def copied(n_copies, n=10):
    """Lines of which n validate; the first n_copies of these are copies of the line before, which is learned."""
    return "\n".join(f"line {i - 1 if i % 10 == 9 and i < 10 * n_copies else i}" for i in range(10 * n))


def test_copies_of_training_documents_are_counted_and_said(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(copied(3), encoding="utf-8")
    said = r"^3 of 10 validation documents of .*a\.txt also stand in the training text, so that their loss"
    with pytest.warns(NanochatWarning, match=said):
        tokenizer = build_dataset(DataConfig(source=path)).tokenizer
    with pytest.warns(NanochatWarning, match=said):
        build_dataset(DataConfig(source=path), tokenizer, extend=True)
    build_dataset(DataConfig(source=path), tokenizer)  # a model that is measured learns none of this


def test_one_copy_in_a_hundred_is_not_said(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(copied(1, n=100), encoding="utf-8")
    build_dataset(DataConfig(source=path))


def test_copies_of_conversations_are_said(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(["User: a Assistant: b </s>"] * 20), encoding="utf-8")
    with pytest.warns(NanochatWarning, match="^2 of 2 validation conversations"):
        build_dataset(DataConfig(source=path, tokenizer="word"))


@pytest.mark.parametrize(
    ("source", "tokenizer", "sha256"),
    [
        ("names", "char", "21cabafeff6cb8949c57ac912b69280a2352b522d36f0f92d59ce50756c233be"),
        ("verse", "bpe", "08b3faed05d3402a3ab991abac53430e8cdd31e43b47487433ed4a787f348c80"),
        ("tales", "char", "bf30533ed0f107412e9e12a7cdbc6e446677dfa6c3f4cc381d746fbf51587a4b"),
        ("facts", "word", "44cbfdba1068a984a9c6e07052f2da27bf102eac6cb779f89021ff96e8fb505b"),
        ("world-chat", "word", "e5ae4b3a5a34ba46479b5c25dda9bee602c44544aecc138462f32ce04e2b14d6"),
    ],
)
@pytest.mark.filterwarnings("ignore:.* are not in the vocabulary")
def test_the_tokens_of_the_built_in_texts_never_change(source, tokenizer, sha256):
    dataset = build_dataset(DataConfig(source=f"builtin:{source}", tokenizer=tokenizer))
    assert fingerprint(dataset) == sha256  # what checkpoints and results are compared by
