"""Tokenizers on disk: each format is recognised, writing is whole or not at all, a broken file is one sentence."""

import json
import os
import sys

import pytest

from nanochat.errors import GuardError, TokenizerError, WriteError
from nanochat.tokenizers import BPETokenizer, CharTokenizer, WordTokenizer, files, load_tokenizer, save_tokenizer
from nanochat.tokenizers.pieces import spell

TEXT = "the low lower lowest, naïve 日本語"
BPE = BPETokenizer.train(TEXT * 3, vocab_size=280, pattern="gpt2", special_tokens=["<|user|>"])
KINDS = [CharTokenizer.train(TEXT), WordTokenizer.train(TEXT), BPE]


@pytest.mark.parametrize("tokenizer", KINDS, ids=["char", "word", "bpe"])
def test_what_is_saved_is_loaded_the_same(tokenizer, tmp_path):
    save_tokenizer(tokenizer, tmp_path / "tokenizer.json")
    first = (tmp_path / "tokenizer.json").read_bytes()
    assert load_tokenizer(tmp_path / "tokenizer.json") == load_tokenizer(str(tmp_path)) == tokenizer
    save_tokenizer(load_tokenizer(tmp_path), tmp_path / "tokenizer.json")
    assert (tmp_path / "tokenizer.json").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.json"]


def test_the_form_of_huggingface_is_loaded_the_same(tmp_path):
    save_tokenizer(BPE, tmp_path / "t.json", form="huggingface")
    assert json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["model"]["type"] == "BPE"
    assert load_tokenizer(tmp_path / "t.json") == BPE


def write_gpt2(folder):
    """The two files of GPT-2's format, with words in the vocabulary that are keys in other formats."""
    special = {id_: name for name, id_ in BPE.special_tokens.items()}
    names = [special.get(i) or spell(token) for i, token in enumerate(BPE.tokens)] + ["kind", "model"]
    merges = "\n".join(f"{names[left]} {names[right]}" for left, right in BPE.merges)
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}), encoding="utf-8")
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")


@pytest.mark.parametrize("name", ["", "vocab.json", "merges.txt"])
def test_gpt2_files_are_loaded_from_the_folder_or_either_name(name, tmp_path):
    write_gpt2(tmp_path)
    tokenizer = load_tokenizer(tmp_path / name, bos_token="<|bos|>")
    assert tokenizer.encode(TEXT) == BPE.encode(TEXT)
    assert tokenizer.vocab_size == BPE.vocab_size + 2


@pytest.mark.parametrize("entry", ["<|user|>", {"content": "<|user|>", "lstrip": False}])
def test_the_beginning_is_named_by_the_config_beside_the_file(entry, tmp_path):
    save_tokenizer(BPE, tmp_path / "tokenizer.json", form="huggingface")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"bos_token": entry}), encoding="utf-8")
    assert load_tokenizer(tmp_path).bos_token == "<|user|>"
    assert load_tokenizer(tmp_path, bos_token="<|bos|>") == BPE


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is no JSON"),
        (b'{"kind": "bpe", "tok', "is no JSON"),
        (b"[" * 100_000, "nested too deep|is no JSON"),
        (b'{"a":' * 100_000, "nested too deep|is no JSON"),
        (b"[1, 2]", "holds list, and a tokenizer is a JSON object"),
        (b"null", "holds NoneType"),
        (b"{}", "has neither a kind nor a model"),
        (b'{"kind": 3}', "has neither a kind nor a model"),
        (b'{"kind": "bpe3"}', "kind 'bpe3' is unknown: this version reads char, word, bpe"),
        (b'{"kind": "char", "kind": "word"}', "key 'kind' stands twice"),
        (b'{"kind": "char", "chars": "ab", "chars": "abc"}', "key 'chars' stands twice"),
        ('{"kind": "char"}'.encode("utf-16"), "is not UTF-8 at byte 0"),
        (b'{"kind": "\xff"}', "is not UTF-8 at byte 10"),
        (b'{"kind": "char", "chars": NaN}', "NaN is no JSON number"),
        (b'{"kind": "char", "chars": -1e999}', "-1e999 is no JSON number"),
        (b'{"kind": "char", "chars": ' + b"9" * 5000 + b"}", "is no JSON"),
        (b'{"model": {"type": "Unigram"}}', "is not supported"),
        (b'{"model": {}}', "is not supported"),
        (b"\x00\x01\x02", "is no JSON"),
    ],
)
def test_a_broken_file_is_one_sentence_that_names_it(content, sentence, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(TokenizerError, match=sentence) as caught:
        load_tokenizer(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_is_no_matter(tmp_path):
    path = tmp_path / "t.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(KINDS[0].to_dict()).encode())
    assert load_tokenizer(path) == KINDS[0]


def test_missing_files_and_files_that_are_none_are_named(tmp_path, monkeypatch):
    with pytest.raises(TokenizerError, match=r"there is no file .*tokenizer\.json: check the path"):
        load_tokenizer(tmp_path)
    with pytest.raises(TokenizerError, match="there is no file"):
        load_tokenizer(tmp_path / "none.json")
    with pytest.raises(TokenizerError, match="cannot be read"):
        load_tokenizer("a\0b")
    with pytest.raises(TokenizerError, match=r"cannot be read|there is no file"):
        load_tokenizer(tmp_path / ("n" * 5000))
    write_gpt2(tmp_path)
    (tmp_path / "merges.txt").unlink()
    with pytest.raises(TokenizerError, match=r"vocab\.json: there is no file .*merges\.txt"):
        load_tokenizer(tmp_path)
    monkeypatch.setattr(files, "LIMIT_BYTES", 10)
    with pytest.raises(TokenizerError, match="more than any tokenizer"):
        load_tokenizer(tmp_path / "vocab.json")


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in the file system")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "tokenizer.json")
    with pytest.raises(TokenizerError, match="is no regular file"):
        load_tokenizer(tmp_path / "tokenizer.json")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "tokenizer.json"
    save_tokenizer(KINDS[0], path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(WriteError, match=r"cannot be written \(No space left on device\)"):
        save_tokenizer(KINDS[1], path)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.json"]


@pytest.mark.parametrize("name", ["no/such/folder/t.json", "file/t.json", "a\0b", ""])
def test_a_place_that_cannot_be_written_is_named(name, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(WriteError, match="cannot be written"):
        save_tokenizer(KINDS[0], tmp_path / name)


def test_only_bpe_has_the_form_of_huggingface(tmp_path):
    with pytest.raises(TokenizerError, match="is written for bpe, not for word"):
        save_tokenizer(KINDS[1], tmp_path / "t.json", form="huggingface")
    with pytest.raises(TokenizerError, match="form='xml' is unknown"):
        save_tokenizer(KINDS[1], tmp_path / "t.json", form="xml")


def test_what_is_to_be_new_replaces_nothing(tmp_path):
    save_tokenizer(KINDS[0], tmp_path / "t.json", new=True)
    with pytest.raises(GuardError, match=r"t\.json exists already"):
        save_tokenizer(KINDS[1], tmp_path / "t.json", new=True)
    assert load_tokenizer(tmp_path / "t.json") == KINDS[0]
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]
