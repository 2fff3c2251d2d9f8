"""Loading a corpus: what becomes of text, and one sentence for everything that is no text."""

import hashlib
import json
import os
import re
import warnings

import pytest

from nanochat.data.builtin import BUILTINS
from nanochat.data.chat import from_text
from nanochat.data.files import text as reading
from nanochat.data.load import load_corpus
from nanochat.errors import ConfigError, DataError, NanochatWarning

NAMES = "".join(f"name{i}\n" for i in range(20))


@pytest.fixture
def write(tmp_path):
    def write_file(content, name="corpus.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return str(path)

    return write_file


def test_twenty_short_lines_are_documents(write):
    corpus = load_corpus(write("\n\n" + NAMES + "\n"))
    assert corpus.layout == "documents"
    assert corpus.documents == tuple(NAMES.split())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\n".join(NAMES.split()[:19]), id="nineteen lines"),
        pytest.param(NAMES + "x" * 65 + "\n", id="a line of 65"),
        pytest.param(NAMES + "\nname\n", id="a blank line"),
        pytest.param(NAMES + " \t\nname\n", id="a line of white space"),
    ],
)
def test_other_text_is_one_stream_and_unchanged(write, text):
    corpus = load_corpus(write(text))
    assert corpus.layout == "stream"
    assert corpus.documents == (text,)


def test_a_line_of_64_is_still_a_document(write):
    assert load_corpus(write(NAMES + "x" * 64)).layout == "documents"


def test_the_layout_can_be_chosen(write):
    assert load_corpus(write(NAMES), "stream").documents == (NAMES,)
    assert load_corpus(write(" ab \n\ncd"), "documents").documents == ("ab", "cd")


def test_a_text_that_looks_like_conversations_is_read_with_a_warning(write):
    path = write("User: a Assistant: b </s>\n" * 2)
    with pytest.warns(NanochatWarning, match=r"corpus\.txt looks like conversations .* choose layout='chat'"):
        assert load_corpus(path).layout == "stream"
    for text, layout in [
        ("User: a\nb\n", "auto"),
        ("a User: b Assistant: c", "auto"),
        ("User: a Assistant: b", "stream"),
    ]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_corpus(write(text), layout)


def test_fields_that_nobody_asked_for_are_left_out_with_a_warning(write):
    path = write('[{"text": "a", "answer": "b"}, {"text": "c", "id": 1}]', "a.json")
    with pytest.warns(NanochatWarning, match=r"a\.json: text is read of each row, and not answer, id"):
        assert load_corpus(path).documents == ("a", "c")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_corpus(path, text_field="text")


def test_a_built_in_text_that_is_no_conversation_is_refused_with_its_line():
    with pytest.raises(DataError, match="builtin:names, line 1: 'james' does not begin with 'User:'"):
        load_corpus("builtin:names", "chat")


def test_a_corpus_is_named_after_its_file_and_keeps_its_path(write):
    path = write(NAMES, "girls.and.boys.txt")
    corpus = load_corpus(path)
    assert (corpus.name, corpus.origin) == ("girls.and.boys", path)
    assert corpus.n_bytes == sum(len(name) for name in NAMES.split())


def test_byte_order_mark_and_foreign_line_ends_are_normalised(write):
    assert load_corpus(write(b"\xef\xbb\xbfone\r\ntwo\rthree\n")).documents == ("one\ntwo\nthree\n",)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "fewer than two characters"),
        (b"a", "fewer than two characters"),
        (b"a\n", "fewer than two characters"),
        (b" \n\t\n ", "fewer than two characters"),
        (b"\0" * 100, "NUL at byte 0"),
        (b"text\0", "NUL at byte 4"),
        (b"\xff\xfea\0b\0", "is UTF-16"),
        (b"one\ntwo \xe9t\xe9\n", "line 2: not UTF-8, byte 0xe9 at byte offset 8"),
        (b"ab\xe2\x82", "line 1: not UTF-8, byte 0xe2 at byte offset 2"),
        (b"ab\xed\xa0\x80", "not UTF-8"),
    ],
)
def test_what_is_no_text_is_refused_in_one_sentence(write, content, sentence):
    path = write(content)
    with pytest.raises(DataError, match=sentence) as failure:
        load_corpus(path)
    assert path in str(failure.value)
    assert "\n" not in str(failure.value)


def test_one_document_is_too_few(write):
    with pytest.raises(DataError, match="holds one document"):
        load_corpus(write("only this line\n"), "documents")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*nothing\.txt"):
        load_corpus(str(tmp_path / "nothing.txt"))


def test_a_built_in_name_without_its_prefix_is_recognised(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="did you mean builtin:names"):
        load_corpus("names")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        load_corpus(str(tmp_path))


def test_a_path_that_no_system_can_hold_is_refused():
    with pytest.raises(DataError, match=r"there is no file|cannot be read"):
        load_corpus("x" * 10_000)
    with pytest.raises(DataError, match="holds a NUL"):
        load_corpus("a\0b")


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_file_without_read_permission_is_refused(write, monkeypatch):
    def denied(path, flags):
        raise PermissionError(13, "Permission denied", str(path))

    path = write(NAMES)
    monkeypatch.setattr(os, "open", denied)  # root may read what chmod forbids
    with pytest.raises(DataError, match="permission denied"):
        load_corpus(path)


def test_a_disk_error_is_refused(write, monkeypatch):
    def broken(path, flags):
        raise OSError(5, "Input/output error", str(path))

    path = write(NAMES)
    monkeypatch.setattr(os, "open", broken)
    with pytest.raises(DataError, match="Input/output error"):
        load_corpus(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a regular file"):
        load_corpus(str(tmp_path / "pipe"))


def test_a_file_above_the_limit_is_refused_unread(write, monkeypatch):
    monkeypatch.setattr(reading, "LIMIT_BYTES", 100)
    with pytest.raises(DataError, match=r"has 101 bytes, more than the 100"):
        load_corpus(write("x" * 101))


@pytest.mark.parametrize("name", ["nmes", "name", "Names"])
def test_a_misspelled_built_in_gets_the_nearest_name(name):
    with pytest.raises(ConfigError, match="did you mean builtin:names"):
        load_corpus(f"builtin:{name}")


def test_an_unknown_built_in_gets_the_list():
    with pytest.raises(ConfigError, match="choose one of names, verse, facts"):
        load_corpus("builtin:zzz")


def test_an_unknown_layout_is_refused(write):
    with pytest.raises(ConfigError, match="layout='lines' is unknown"):
        load_corpus(write(NAMES), "lines")


def test_names_are_several_thousand_different_words_of_a_to_z():
    corpus = load_corpus("builtin:names")
    assert corpus.layout == "documents"
    assert len(set(corpus.documents)) == len(corpus.documents) > 4000
    assert all(re.fullmatch("[a-z]{2,15}", name) for name in corpus.documents)


def test_verse_is_a_stream_of_30_kb_without_repeated_lines():
    corpus = load_corpus("builtin:verse")
    lines = [line for line in corpus.documents[0].split("\n") if line]
    assert corpus.layout == "stream"
    assert 30_000 <= corpus.n_bytes <= 40_000
    assert len(set(lines)) == len(lines)


def test_facts_are_some_hundred_different_sentences():
    corpus = load_corpus("builtin:facts")
    assert corpus.layout == "documents"
    assert len(set(corpus.documents)) == len(corpus.documents) > 400
    assert all(re.fullmatch(r"[A-Z].*\.", sentence) for sentence in corpus.documents)
    assert "The capital of Finland is Helsinki." in corpus.documents
    assert "Gold has the atomic number 79." in corpus.documents


def test_every_built_in_states_its_origin():
    assert all(load_corpus(f"builtin:{name}").origin == BUILTINS[name].origin for name in ("names", "world-chat-small"))
    assert all(builtin.origin for builtin in BUILTINS.values())


def test_the_tales_are_the_same_text_for_ever():
    text = load_corpus("builtin:tales").documents[0]
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "1e64d3e33a807675"
    assert 1_100_000 <= len(text) < 1_102_000


CHAT = ["User: a Assistant: b </s>", "User: c Assistant: d </s>"]


@pytest.mark.parametrize(
    ("name", "content", "layout"),
    [
        ("a.json", json.dumps(CHAT), "auto"),
        ("a.jsonl", "\n".join(map(json.dumps, CHAT)), "auto"),
        ("a.csv", "text\n" + "\n".join(CHAT), "auto"),
        ("a.txt", "\n".join(CHAT), "chat"),
    ],
)
def test_conversations_come_from_every_format(write, name, content, layout):
    corpus = load_corpus(write(content, name), layout)
    assert corpus.layout == "chat"
    assert corpus.documents == tuple(map(from_text, CHAT))
    assert corpus.n_bytes == 4


def test_rows_are_documents_and_the_seeds_mark_at_their_end_is_left_out(write):
    corpus = load_corpus(write(json.dumps(["Rain falls. </s>", "a</s>b", "Snow </s> falls."]), "a.json"))
    assert corpus.layout == "documents"
    assert corpus.documents == ("Rain falls.", "a</s>b", "Snow </s> falls.")


def test_the_field_of_the_text_can_be_named(write):
    rows = [{"title": "x", "body": "one"}, {"title": "y", "body": "two"}]
    assert load_corpus(write(json.dumps(rows), "a.json"), text_field="body").documents == ("one", "two")
    with pytest.raises(ConfigError, match="text_field='body' is for JSON and CSV"):
        load_corpus("builtin:names", text_field="body")


def test_one_conversation_is_too_few(write):
    with pytest.raises(DataError, match="holds one conversation, too few"):
        load_corpus(write(json.dumps(CHAT[:1]), "a.json"))
