"""A text larger than memory, piece by piece, gives what it gives as a whole."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nanochat.data.config import DataConfig
from nanochat.data.dataset import build_dataset
from nanochat.data.files import text as reading
from nanochat.data.large import text as large_files
from nanochat.data.large.text import read_pieces
from nanochat.errors import ConfigError, DataError
from nanochat.tokenizers import BPETokenizer, CharTokenizer, WordTokenizer

ALPHABET = "ab1 \n\t.,'é。-</s>|"
TEXTS = st.text(ALPHABET, min_size=1, max_size=80)
SAMPLE = "ab ab. 1 a'b\n\nab b1 。\na-b </s> <|end|>"
TOKENIZERS = {
    "char": CharTokenizer.train(ALPHABET + SAMPLE),
    "word": WordTokenizer.train([ALPHABET, SAMPLE], special_tokens=["</s>"], unknown="unk"),
    "gpt4": BPETokenizer.train(SAMPLE, vocab_size=280, special_tokens=["</s>"]),
    "gpt2": BPETokenizer.train(SAMPLE, vocab_size=280, pattern="gpt2"),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("large") / "text.txt"


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(text=TEXTS, size=st.integers(1, 20))
@example(text="a\n\nb a. \nb a.\n\nb", size=1)
def test_tokens_of_the_pieces_are_tokens_of_the_whole(file, kind, text, size):
    file.write_text(text, encoding="utf-8", newline="\n")
    tokenizer = TOKENIZERS[kind]
    pieces = list(read_pieces(str(file), size=size))
    assert "".join(pieces) == text
    assert [i for piece in pieces for i in tokenizer.encode(piece)] == tokenizer.encode(text)


@given(text=TEXTS, size=st.integers(1, 20), begin=st.integers(0, 80), length=st.integers(0, 80))
def test_a_part_is_had_by_its_characters(file, text, size, begin, length):
    file.write_text(text, encoding="utf-8", newline="\n")
    assert "".join(read_pieces(str(file), begin, begin + length, size=size)) == text[begin : begin + length]


def test_pieces_are_about_as_long_as_asked(file):
    file.write_text("some words here\n" * 1000, encoding="utf-8")
    assert max(map(len, read_pieces(str(file), size=100))) < 120


def test_marks_and_line_ends_are_read_as_those_of_a_small_file(file):
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert "".join(read_pieces(str(file), size=1)) == "one\ntwo\nthree\n"


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A text of which the reader believes that memory cannot hold it."""
    path = tmp_path / "large.txt"
    path.write_text("".join(f"line {i} of the text.\n" for i in range(300)), encoding="utf-8")
    monkeypatch.setattr(reading, "LIMIT_BYTES", 1000)
    return path


@pytest.mark.parametrize("kind", ["char", "word", "bpe"])
@pytest.mark.filterwarnings("ignore:.* are not in the vocabulary")
def test_a_dataset_larger_than_memory_is_that_of_the_text_in_memory(large, tmp_path, monkeypatch, kind):
    dataset = build_dataset(DataConfig(source=large, tokenizer=kind, cache=tmp_path / "cache"))
    monkeypatch.setattr(reading, "LIMIT_BYTES", 1 << 30)
    whole = build_dataset(DataConfig(source=large, layout="stream", tokenizer=kind))
    assert dataset.tokenizer == whole.tokenizer
    assert np.array_equal(dataset.train.ids, whole.train.ids)
    assert np.array_equal(dataset.val.ids, whole.val.ids)
    assert dataset.text_bytes == whole.text_bytes
    assert (dataset.in_memory, whole.in_memory) == (False, True)


@pytest.mark.parametrize(
    ("settings", "is_mapped"),
    [
        ({"layout": "stream"}, True),
        ({}, True),
        ({"layout": "stream", "cache": ""}, False),
        ({"layout": "stream", "style": "futuristic"}, False),
        ({"layout": "documents"}, False),
    ],
)
def test_a_large_stream_with_a_cache_is_read_in_pieces_and_is_the_same(tmp_path, monkeypatch, settings, is_mapped):
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(f"line {i} of the text." for i in range(300)), encoding="utf-8")
    settings = {"cache": tmp_path / "cache"} | settings
    whole = build_dataset(DataConfig(source=path, **settings))
    monkeypatch.setattr(large_files, "MAPPED_BYTES", 1000)
    dataset = build_dataset(DataConfig(source=path, **settings))
    assert (whole.in_memory, dataset.in_memory) == (True, not is_mapped)
    assert dataset.sides == whole.sides
    assert dataset.text_bytes == whole.text_bytes
    for ours, theirs in ((dataset.train, whole.train), (dataset.val, whole.val)):
        assert np.array_equal(ours.ids, theirs.ids)


def test_a_large_file_of_short_lines_is_documents_with_and_without_a_cache(large, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LIMIT_BYTES", 1 << 30)
    monkeypatch.setattr(large_files, "MAPPED_BYTES", 1000)
    assert build_dataset(DataConfig(source=large, cache=tmp_path / "cache")).corpus.layout == "documents"


def test_without_a_cache_or_as_documents_it_is_refused(large, tmp_path):
    with pytest.raises(DataError, match=r"more than are read into memory: name a folder .*data\.cache"):
        build_dataset(DataConfig(source=large))
    with pytest.raises(ConfigError, match="it can only be one text, with style="):
        build_dataset(DataConfig(source=large, layout="documents", cache=tmp_path))
    with pytest.raises(ConfigError, match="it can only be one text, with style="):
        build_dataset(DataConfig(source=large, style="futuristic", cache=tmp_path))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"text " * 10 + b"\xff" + b"text " * 10, r"is not UTF-8: byte 0xff among the .* characters after character 0"),
        (b"text\0", "has a NUL at character 4"),
    ],
)
def test_what_is_no_text_is_refused(file, content, sentence):
    file.write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        list(read_pieces(str(file)))


def test_what_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        list(read_pieces(str(tmp_path / "nothing.txt")))
