"""Figures of rows: counted as their names say, and equal to NumPy's nearest ranks."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.data.chat import Message
from nanochat.data.files import description
from nanochat.data.files.description import Spread, Voice, describe, texts_of
from nanochat.data.files.formats import read_rows, rows_of
from nanochat.data.files.rows import RowOptions
from nanochat.data.load import find_source_problems, read_source
from nanochat.errors import ConfigError, DataError
from nanochat.tokenizers import pieces as cutting

TALK = (Message("system", "Be brief."), Message("user", "Où?"), Message("assistant", "Là"))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60))
def test_a_spread_holds_sizes_that_occur(sizes):
    found = Spread.of(sizes)
    ranks = np.percentile(sizes, [0, 50, 95, 100], method="inverted_cdf")
    assert [found.min, found.median, found.p95, found.max] == ranks.tolist()
    assert sorted(sizes)[math.ceil(0.95 * len(sizes)) - 1] == found.p95


def test_documents_are_counted_in_rows_words_characters_and_bytes():
    found = describe(rows_of(["a é b", "a", "a a"], "here"))
    assert (found.n_rows, found.n_chars, found.n_bytes, found.n_words) == (3, 9, 10, 6)
    assert (found.n_unique_words, found.n_distinct_chars) == (3, 4)
    assert found.chars_per_row == Spread(1, 3, 5, 5)
    assert found.words_per_row == Spread(1, 2, 3, 3)
    assert found.roles is found.messages_per_row is None


@given(st.text("ab \n\x1c\u3000\x85", min_size=1, max_size=40), st.integers(1, 9))
def test_words_of_a_long_text_are_those_of_the_whole(text, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(description, "chunks", lambda text, seam: cutting.chunks(text, seam, size))
        found = describe(rows_of([text + "a"], "here"))
    words = (text + "a").split()
    assert (found.n_words, found.n_unique_words) == (len(words), len(set(words)))
    assert (found.n_bytes, found.n_distinct_chars) == (len((text + "a").encode()), len(set(text + "a")))


def test_figures_of_a_long_text_need_no_list_of_its_words(monkeypatch):
    monkeypatch.setattr(description, "chunks", lambda text, seam: cutting.chunks(text, seam, 10_000))
    rows = rows_of(["ab " * 100_000], "here")
    tracemalloc.start()
    describe(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000  # all words together are 5.9 MB


def test_conversations_are_counted_by_role_too():
    rows = rows_of([TALK, TALK[1:]], "here")
    found = describe(rows)
    assert (found.n_rows, found.n_chars, found.n_words) == (2, 19, 6)
    assert found.messages_per_row == Spread(2, 2, 3, 3)
    assert found.roles == {
        "system": Voice(n_messages=1, n_chars=9),
        "user": Voice(n_messages=2, n_chars=6),
        "assistant": Voice(n_messages=2, n_chars=4),
    }
    assert list(texts_of(rows)) == ["Be brief.", "Où?", "Là", "Où?", "Là"]


def test_a_source_is_a_file_or_a_corpus_of_the_package(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('"a"\n"b"\n', encoding="utf-8")
    assert read_source(str(path)) == read_rows(str(path))
    assert len(read_source("builtin:names")) > 4000
    assert len(read_source("builtin:names", RowOptions(layout="stream"))) == 1
    assert find_source_problems("builtin:names") == []
    with pytest.raises(ConfigError, match="text_field='x' is for JSON and CSV"):
        read_source("builtin:names", RowOptions(text_field="x"))


def test_a_plain_text_is_lines_or_a_stream_by_the_rule_of_the_corpus(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("name\n" * 20, encoding="utf-8")
    assert len(read_source(str(path))) == 20
    path.write_text("name\n" * 19, encoding="utf-8")
    assert read_source(str(path)).documents == ("name\n" * 19,)
    assert str(find_source_problems(str(tmp_path / "none.txt"))[0]).startswith("there is no file")
    with pytest.raises(DataError, match="there is no file"):
        read_source(str(tmp_path / "none.txt"))
