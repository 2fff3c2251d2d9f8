"""A file is written whole or not at all, and every failure is one sentence."""

import json
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.errors import CheckpointError, GuardError, WriteError
from nanochat.storage.atomic import make_directory, open_text, read_json, write_json, write_text
from nanochat.tokenizers import CharTokenizer
from nanochat.tokenizers.files import save_tokenizer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def test_text_is_utf8_with_plain_line_ends(tmp_path):
    write_text(tmp_path / "deep" / "er" / "a.txt", "ü\n€\r\n")
    assert (tmp_path / "deep" / "er" / "a.txt").read_bytes() == "ü\n€\r\n".encode()


def test_a_file_is_replaced(tmp_path):
    write_text(tmp_path / "a.txt", "old, and longer")
    write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failing, error):
    write_text(tmp_path / "a.txt", "old")

    def fail(*arguments):
        raise error

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(WriteError if isinstance(error, OSError) else KeyboardInterrupt):
        write_text(tmp_path / "a.txt", "new")
    assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def test_text_that_utf8_cannot_hold_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a.txt", "new \ud800")
    assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def test_the_sentence_names_the_file_the_reason_and_a_way_out(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(WriteError) as refused:
        write_text(tmp_path / "file" / "a.txt", "text")
    assert str(refused.value).startswith(f"cannot write {tmp_path / 'file'}: ")
    assert "choose another --out" in str(refused.value)
    with pytest.raises(WriteError, match="cannot write"):
        make_directory(tmp_path / "file")


@given(content=JSON)
def test_json_survives_the_way_through_a_file(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("json") / "a.json"
    write_json(path, content)
    assert read_json(path) == content


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_no_json_is_not_written(tmp_path, bad):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": bad})
    assert list(tmp_path.iterdir()) == []


NO_JSON = [b"", b"{", b"\xff", b"\xef\xbb\xbf{}", b"\0", b"NaN", b"[Infinity]", b"1e999", b"1" * 5000, b"[" * 100_000]
NO_JSON += [b'"\\ud800"', b'{"a": 1, "a": 1}']


@pytest.mark.parametrize("content", NO_JSON)
def test_what_is_no_json_is_one_sentence(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.json cannot be read as JSON"):
        read_json(tmp_path / "a.json")


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(CheckpointError, match="is missing"):
        read_json(tmp_path / "a.json")


def test_a_file_larger_than_the_limit_is_not_read(tmp_path):
    (tmp_path / "a.json").write_bytes(b"1" * 101)
    with pytest.raises(CheckpointError, match="has 101 bytes, over 100"):
        read_json(tmp_path / "a.json", limit=100)


def test_a_folder_is_not_read_as_a_file(tmp_path):
    with pytest.raises(CheckpointError):
        read_json(tmp_path)


def test_json_reads_well(tmp_path):
    write_json(tmp_path / "a.json", {"name": "é", "n": 1})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "name": "é",\n  "n": 1\n}\n'
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": "é", "n": 1}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")
def test_a_device_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WriteError, match="it is no regular file"):
        write_text(tmp_path / "pipe", "text")
    with pytest.raises(WriteError, match=r"\(it is no regular file\)"):
        save_tokenizer(CharTokenizer("ab"), tmp_path / "pipe")
    assert [path.name for path in tmp_path.iterdir() if path.is_fifo()] == ["pipe"]


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path, name):
    with pytest.raises(WriteError, match="is no name of a file; choose another --out"):
        write_json(tmp_path / name, {})


def test_what_is_to_be_new_replaces_nothing_and_leaves_no_draft(tmp_path):
    write_text(tmp_path / "a.txt", "first", new=True)
    with pytest.raises(GuardError, match=r"a\.txt exists already: choose another name"):
        write_text(tmp_path / "a.txt", "second", new=True)
    assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [("a.txt", "first")]


def test_a_folder_that_is_to_be_new_is_made_once(tmp_path):
    make_directory(tmp_path / "deep" / "er", new=True)
    with pytest.raises(GuardError, match="er exists already"):
        make_directory(tmp_path / "deep" / "er", new=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")
@pytest.mark.parametrize("mode", ["a", "w"])
def test_no_pipe_is_opened_to_write_lines_to(tmp_path, mode):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(GuardError, match="pipe is no regular file, and nothing is written to it"):
        open_text(tmp_path / "pipe", mode)
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(GuardError, match="pipe is no regular file"):
            open_text(tmp_path / "pipe", mode)
    finally:
        os.close(reader)


def test_a_link_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "goal").write_text("there", encoding="utf-8")
    (tmp_path / "link").symlink_to("goal")
    with pytest.raises(GuardError, match="link"):
        write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "goal").read_text(encoding="utf-8") == "there"
