"""Rows written in a format and read again are the same rows, or the format is refused by the row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.data.chat import Message
from nanochat.data.files.formats import read_rows, rows_of
from nanochat.data.files.rows import RowOptions
from nanochat.data.files.writing import render_rows
from nanochat.errors import ConfigError, DataError

FORMATS = {"text": ".txt", "json": ".json", "jsonl": ".jsonl", "csv": ".csv"}
CHARACTERS = st.sampled_from("ab ,;:\"'\n\r\t\ufeff\u2028\u00e9<\\/")


def read_again(folder, rows, format, layout, *, ending="", **options):
    path = folder / f"again{ending or FORMATS[format]}"
    path.write_bytes("".join(render_rows(rows, format, **options)).encode("utf-8"))
    return read_rows(path, RowOptions(layout=layout))


@given(st.lists(st.text(CHARACTERS, min_size=1, max_size=9).filter(str.strip), min_size=1, max_size=5))
@pytest.mark.parametrize("format", FORMATS)
def test_texts_come_back_or_are_refused(tmp_path_factory, format, texts):
    rows = rows_of(texts, "here")
    try:
        again = read_again(tmp_path_factory.getbasetemp(), rows, format, "documents")
    except DataError:
        assert format in ("text", "csv")
    else:
        assert again.documents == rows.documents


@given(
    st.lists(
        st.lists(st.text(CHARACTERS, min_size=1, max_size=9).filter(str.strip), min_size=2, max_size=2),
        min_size=1,
        max_size=4,
    )
)
@pytest.mark.parametrize(("format", "form"), [(f, form) for f in FORMATS for form in ("messages", "text")])
def test_conversations_come_back_or_are_refused(tmp_path_factory, format, form, turns):
    conversations = [(Message("user", question), Message("assistant", answer)) for question, answer in turns]
    rows = rows_of(conversations, "here")
    try:
        again = read_again(tmp_path_factory.getbasetemp(), rows, format, "chat", chat_form=form)
    except DataError:
        assert form == "text"
    except ConfigError:
        assert (form, format in ("json", "jsonl")) == ("messages", False)
    else:
        assert again.conversations == rows.conversations


@given(
    st.lists(st.text(st.sampled_from('ab\t,;"\n'), min_size=1, max_size=9).filter(str.strip), min_size=1, max_size=5)
)
def test_texts_come_back_from_tabs(tmp_path_factory, texts):
    rows, folder = rows_of(texts, "here"), tmp_path_factory.getbasetemp()
    assert read_again(folder, rows, "csv", "documents", ending=".tsv", delimiter="\t").documents == rows.documents


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("text", "one\ntwo\n"),
        ("json", '[\n"one",\n"two"\n]\n'),
        ("jsonl", '{"text": "one"}\n{"text": "two"}\n'),
        ("csv", "text\none\ntwo\n"),
    ],
)
def test_a_row_is_a_line_of_the_file(format, content):
    assert "".join(render_rows(rows_of(["one", "two"], "here"), format)) == content


def test_conversations_are_messages_in_json_and_strings_elsewhere():
    rows = rows_of([(Message("user", "a"), Message("assistant", "b"))], "here")
    messages = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'
    assert "".join(render_rows(rows, "jsonl")) == messages
    assert "".join(render_rows(rows, "jsonl", "text")) == '{"text": "User: a Assistant: b </s>"}\n'
    assert "".join(render_rows(rows, "csv")) == "text\nUser: a Assistant: b </s>\n"


@pytest.mark.parametrize(
    ("texts", "format", "part"),
    [
        (["a", "b\nc"], "text", "here, row 2: 'b\\nc' holds a line end"),
        (["a", "b "], "text", "here, row 2: 'b ' begins or ends with white space"),
        (["\ufeffa"], "text", "here, row 1: '\\ufeffa' begins with a byte order mark"),
        (["a\rb"], "csv", "here, row 1: 'a\\rb' holds a carriage return"),
        (["x" * 99 + "\n"], "text", "x'... holds a line end"),
    ],
)
def test_a_text_that_a_format_cannot_hold_is_refused_by_its_row(texts, format, part):
    with pytest.raises(DataError) as failure:
        list(render_rows(rows_of(texts, "here"), format))
    assert part in str(failure.value)


@pytest.mark.parametrize(
    ("question", "part"),
    [("User: who?", "row 1: a user message holds 'User:'"), (" who? ", "row 1: a message begins or ends with white")],
)
def test_a_conversation_that_a_string_cannot_hold_is_refused_by_its_row(question, part):
    rows = rows_of([(Message("user", question), Message("assistant", "b"))], "here")
    with pytest.raises(DataError, match=part):
        list(render_rows(rows, "csv"))


def test_a_form_of_chat_is_for_chat():
    with pytest.raises(ConfigError, match="chat_form='text' is for conversations, and here holds texts"):
        render_rows(rows_of(["a"], "here"), "json", "text")
