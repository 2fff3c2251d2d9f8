"""Several processes give the ids that one gives, and start only where that is safe."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from nanochat.data.config import DataConfig
from nanochat.data.dataset import InMemory, build_dataset
from nanochat.data.large import encoding
from nanochat.data.large.encoding import WORTH_PROCESSES, encode_texts, n_processes
from nanochat.errors import GuardError, TokenizerError
from nanochat.tokenizers import BPETokenizer, CharTokenizer, WordTokenizer

TEXT = "".join(f"line {i} of some text, don't mind.\n" for i in range(200))


@pytest.fixture
def several(monkeypatch):
    """Texts of 1,000 characters are worth two processes, here too."""
    monkeypatch.setattr(encoding, "WORTH_PROCESSES", 1000)
    monkeypatch.setattr(encoding, "PIECE", 500)
    monkeypatch.setattr(encoding, "_is_own_command", lambda: True)
    monkeypatch.setattr(encoding, "threads", lambda: 2)


@pytest.mark.parametrize(("layout", "tokenizer"), [("stream", "bpe"), ("documents", "word")])
@pytest.mark.filterwarnings("ignore:.* are not in the vocabulary")
def test_a_dataset_is_the_same_by_two_processes(tmp_path, several, monkeypatch, layout, tokenizer):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    config = DataConfig(source=tmp_path / "a.txt", layout=layout, tokenizer=tokenizer)
    shared = build_dataset(config)
    monkeypatch.setattr(encoding, "WORTH_PROCESSES", 1 << 25)
    (tmp_path / "b.txt").write_text(TEXT, encoding="utf-8")
    alone = build_dataset(DataConfig(source=tmp_path / "b.txt", layout=layout, tokenizer=tokenizer))
    for ours, theirs in ((shared.train, alone.train), (shared.val, alone.val)):
        assert np.array_equal(ours.ids, theirs.ids)
        assert ours.ids.dtype == theirs.ids.dtype
        assert np.array_equal(ours.marks, theirs.marks)


@pytest.mark.parametrize("error", [TokenizerError("ended unexpectedly"), GuardError("no guard")])
@pytest.mark.parametrize("layout", ["stream", "documents"])
def test_where_processes_end_this_one_goes_on(several, monkeypatch, error, layout):
    def encode_two(tokenizer, texts, *, jobs):
        for _, text in zip(range(2), texts, strict=False):
            yield tokenizer.encode_array(text)
        raise error

    monkeypatch.setattr(encoding, "encode_many", encode_two)
    tokenizer = BPETokenizer.train(TEXT, vocab_size=300)
    side = InMemory("a text", layout, (TEXT,) if layout == "stream" else tuple(TEXT.split("\n")))
    expected = [tokenizer.encode_array(text) for text in side.texts()]
    assert np.array_equal(np.concatenate(list(encode_texts(tokenizer, side))), np.concatenate(expected))


def test_an_unknown_word_is_named_as_by_one_process(several, monkeypatch):
    def refuse(tokenizer, texts, *, jobs):
        raise TokenizerError("text 7: word 'b'")
        yield

    monkeypatch.setattr(encoding, "encode_many", refuse)
    tokenizer = WordTokenizer.train("a", unknown="error")
    with pytest.raises(TokenizerError, match=r"^word 'b' at position 0"):
        list(encode_texts(tokenizer, InMemory("a text", "documents", ("b", "a" * 1000))))


def test_short_texts_and_characters_are_not_worth_it(several):
    assert n_processes(BPETokenizer.train("abab", vocab_size=260), 1000) == 2
    assert n_processes(BPETokenizer.train("abab", vocab_size=260), 999) == 1
    assert n_processes(CharTokenizer.train("ab"), 1 << 30) == 1


@pytest.mark.parametrize(
    ("spec", "file", "jobs"),
    [
        (None, "/usr/bin/nanochat", 2),
        ("nanochat.__main__", "/package/__main__.py", 2),
        (None, "/home/me/script.py", 1),
        ("pytest.__main__", "/package/__main__.py", 1),
        (None, None, 1),
    ],
)
def test_only_our_own_command_starts_processes(monkeypatch, spec, file, jobs):
    main = ModuleType("__main__")
    main.__spec__, main.__file__ = SimpleNamespace(name=spec) if spec else None, file
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(encoding, "threads", lambda: 2)
    tokenizer = BPETokenizer.train("abab", vocab_size=260)
    assert n_processes(tokenizer, WORTH_PROCESSES) == jobs
    monkeypatch.setattr(encoding, "parent_process", lambda: "a sweep")
    assert n_processes(tokenizer, WORTH_PROCESSES) == 1
