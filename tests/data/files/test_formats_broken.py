"""Broken files of every format: one clear sentence each, with the file, the line and the field."""

import json
import os

import pytest

from nanochat.data.files import text as reading
from nanochat.data.files.formats import find_problems, read_rows
from nanochat.data.files.rows import RowOptions
from nanochat.errors import DataError

USER, ANSWER = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}


def chat(*messages):
    return json.dumps([{"messages": list(messages)}])


ANY = {
    "empty": (b"", "is empty: use a file with text in it"),
    "UTF-16": ('["text"]'.encode("utf-16"), "is UTF-16 (by its first bytes): save it as UTF-8"),
    "UTF-32": ('["text"]'.encode("utf-32"), "is UTF-32 (by its first bytes): save it as UTF-8"),
    "UTF-16 without a mark": ('["text"]'.encode("utf-16-le"), ", line 1: a NUL at byte 1, so it is binary or UTF-16"),
    "NULs": (bytes(100), ", line 1: a NUL at byte 0"),
    "mixed encodings": (b'"\xc3\xa9"\r\n"b"\r\n"\xe9"', ", line 3: not UTF-8, byte 0xe9 at byte offset 12"),
    "cut off in a character": (b'["a\xe2\x82', ", line 1: not UTF-8, byte 0xe2 at byte offset 3"),
    "encoded surrogate": (b'["\xed\xa0\x80"]', ", line 1: not UTF-8, byte 0xed at byte offset 2"),
}
TEXT = {
    "blank": ("\n \n", "it holds no rows"),
    "only a byte order mark": ("\ufeff", "it holds no rows"),
}
JSON = {
    "blank": (" \n ", ", line 2: nothing but white space: write an array of rows"),
    "only a byte order mark": ("\ufeff", ", line 1: nothing but white space"),
    "no rows": ("[ ]", ": it holds no rows"),
    "no JSON": ("hello", ", line 1: 'hello' begins no array"),
    "a string": ('"a"', ", line 1: '\"a\"' begins no array"),
    "an object": ('{"text": "a"}', ", line 1: one object where an array of rows is due"),
    "JSON Lines": ('{"text": "a"}\n{"text": "b"}', ", line 1: one object after the other: name the file .jsonl"),
    "an object cut off": ('{"data": ["a"', ", line 1: an object where an array of rows is due"),
    "cut off at the beginning": ("[", ", row 1 (line 1): the file ends inside the row: close it, or restore"),
    "cut off after a row": ('["a",\n"b"\n', ", line 3: the file ends in the array after row 2: close it, or restore"),
    "cut off after a comma": ('["a",\n', ", row 2 (line 2): the file ends inside the row"),
    "cut off in a string": ('["a",\n"b', ", row 2 (line 2): the file ends inside a string: close it"),
    "cut off in an object": ('["a",\n{"text":\n', ", row 2 (line 2): the file ends inside the row"),
    "a comma too few": ('["a"\n"b"]', ", line 2: '\"b\"]' where a comma or ] is due: mend what follows row 1"),
    "a comma too many": ('["a",\n]', ", row 2 (line 2, column 1): this is no JSON (expecting value)"),
    "text after the end": ('["a"]\n["b"]', ", line 2: more text after the end of the array"),
    "single quotes": ("['a']", ", row 1 (line 1, column 2): this is no JSON (expecting value)"),
    "a bare line end": ('["a\nb"]', ", row 1 (line 1, column 4): this is no JSON (invalid control character)"),
    "a bad escape": ('["\\x41"]', ", row 1 (line 1, column 3): this is no JSON (invalid \\escape)"),
    "an unquoted key": (
        '["a",\n {\n text: "b"}]',
        ", row 2 (line 3, column 2): this is no JSON (expecting property name",
    ),
    "a byte order mark inside": ('["a",\n\ufeff"b"]', ", row 2 (line 2, column 1): this is no JSON"),
    "a key twice": ('[{"text": "a", "text": "b"}]', ", row 1 (line 1): key 'text' stands twice in one object"),
    "a deeper key twice": (chat({**USER, "x": 1}).replace('"x"', '"role"'), "key 'role' stands twice"),
    "NaN": ('["a",\nNaN]', ", row 2 (line 2): NaN is no JSON number: mend the row"),
    "Infinity": ("[-Infinity]", ", row 1 (line 1): -Infinity is no JSON number"),
    "a number past all bounds": ('[{"text": "a", "n": 1e999}]', ", row 1 (line 1): 1e999 is no JSON number"),
    "a huge number": (f"[{'9' * 5000}]", ", row 1 (line 1): a number of too many digits"),
    "nested too deep": ("[" * 100_000, ", row 1 (line 1): nested too deep"),
    "objects nested too deep": ('["a", ' + '{"a":' * 100_000, ", row 2 (line 1): nested too deep"),
    "a number": ('["a",\n3]', ", row 2 (line 2): the number 3 is no text: write a string"),
    "null": ('["a", null]', ", row 2 (line 1): null is no text"),
    "true": ("[true]", ", row 1 (line 1): true is no text"),
    "an object among strings": ('["a", {"text": "b"}]', ", row 2 (line 1): an object is no text"),
    "a string among objects": ('[{"text": "b"}, "a"]', ", row 2 (line 1): a string, and the first row is an object"),
    "a field of another type": ('[{"text": ["a"]}]', ", row 1 (line 1), field text: a list is no text: write a string"),
    "a field missing": ('[{"text": "a"},\n{"body": "b"}]', ", row 2 (line 2): there is no field text, only body"),
    "a field of numbers": (
        '[{"text": "a"},\n{"text": 1.5}]',
        ", row 2 (line 2), field text: the number 1.5 is no text",
    ),
    "several fields": ('[{"q": "a", "a": "b"}]', "no field is called text or messages: name the one to read"),
    "text and messages": (
        '[{"text": "a", "messages": []}]',
        ": fields text and messages both: choose text_field='text' or text_field=",
    ),
    "messages beside a later text": (
        '[{"text": "a"},\n{"text": "b", "messages": []}]',
        ", row 2 (line 2): fields text and messages both",
    ),
    "no fields": ("[{}]", ": an object without fields"),
    "an empty text": (
        '["a",\n" "]',
        ", row 2 (line 2): there is no text: write one, or drop such rows with on_empty='drop'",
    ),
    "half a character": ('["a\\ud83d"]', ", row 1 (line 1): character 1 is '\\ud83d', half of a surrogate pair"),
    "an escaped NUL": ('["a\\u0000"]', ", row 1 (line 1): character 1 is a NUL"),
    "chat after texts": ('["a", "User: b Assistant: c"]', ", row 2 (line 1): looks like a conversation where the rows"),
    "text after chat": ('["User: b Assistant: c", "a"]', ", row 2 (line 1): looks like no conversation where the rows"),
    "chat that ends early": (
        '["User: b Assistant: c", "User: b Assistant:"]',
        ", row 2 (line 1): content='' of an assistant message is empty",
    ),
    "one conversation, bare": (json.dumps([USER, ANSWER]), ", row 1 (line 1): a message by itself"),
    "a role unknown": (
        chat(USER, {"role": "bot", "content": "b"}),
        ", field messages, message 2: role='bot' is unknown",
    ),
    "a role missing": (chat({"content": "b"}), ", field messages, message 1: there is no field role"),
    "content that is null": (chat(USER, {**ANSWER, "content": None}), "message 2, field content: null where a string"),
    "content that is empty": (chat(USER, {**ANSWER, "content": " "}), "message 2: content=' ' of "),
    "a field of a message": (chat(USER, {**ANSWER, "name": "x"}), "message 2: field 'name' is not read"),
    "a message that is text": (chat(USER, "b"), ", field messages, message 2: a string is no message"),
    "no answer": (chat(USER), ", field messages: the last message of the conversation is the user's"),
    "two questions": (chat(USER, USER, ANSWER), ", field messages: message 2 of the conversation is of role 'user'"),
    "no messages": (chat(), ", row 1 (line 1): there is no message: write one, or drop such rows with on_empty='drop'"),
    **{
        f"messages that are {what}": (
            f'[{{"messages": {json.dumps(value)}, "id": 1}}]',
            f", row 1 (line 1), field messages{said}",
        )
        for what, value, said in [
            (
                "text",
                "x",
                ': a string where a list of messages is due: write [{"role": "user", "content": "..."}, ...]',
            ),
            ("a conversation as text", "User: a Assistant: b", ": a string where a list of messages is due"),
            ("null", None, ": null where a list of messages is due"),
            ("a number", 3, ": the number 3 where a list of messages is due"),
            ("one message", USER, ": an object where a list of messages is due"),
            ("lists", [[USER, ANSWER]], ", message 1: a list is no message"),
            ("numbers", [1], ", message 1: the number 1 is no message"),
            ("null each", [None], ", message 1: null is no message"),
            (
                "parts",
                [{**USER, "content": [{"type": "text"}]}],
                ", message 1, field content: a list where a string is due",
            ),
            ("without content", [USER, {"role": "assistant"}], ", message 2: there is no field content"),
            ("by a number", [{**USER, "role": 1}], ", message 1, field role: the number 1 where a string is due"),
        ]
    },
    "messages of another type": (
        json.dumps([{"messages": [USER, ANSWER]}, {"messages": "a"}]),
        ", row 2 (line 1), field messages: a string where a list of messages is due",
    ),
}
JSONL = {
    "blank": ("\n\n", ": it holds no rows"),
    "an array over lines": ('[\n"a"\n]', ", line 1: a value over several lines"),
    "an object over lines": ('{\n"text": "a"\n}', ", line 1: a value over several lines"),
    "cut off": ('"a"\n{"text": "b', ", line 2: the line ends inside a string: close it, or restore"),
    "two values": ('"a" "b"', ", line 1, column 5: this is no JSON (extra data)"),
    "a comma at the end": ('"a",\n"b"', ", line 1, column 4: this is no JSON (extra data)"),
    "joined files": ('"a"\n\ufeff"b"', ", line 2, column 1: a byte order mark inside the file"),
    "a key twice": ('"a"\n{"text": "a", "text": "b"}', ", line 2: key 'text' stands twice"),
    "NaN": ("NaN", ", line 1: NaN is no JSON number"),
    "nested too deep": ('"a"\n' + "[" * 100_000, ", line 2: nested too deep"),
    "another type": ('"a"\n\n7', ", line 3: the number 7 is no text"),
    "an empty text": ('{"text": "a"}\n{"text": ""}', ", line 2: there is no text"),
    "a field missing": ('{"text": "a"}\n{"txt": "b"}', ", line 2: there is no field text, only txt"),
}
CSV = {
    "blank": ("\n", ": it holds no rows"),
    "semicolons": (
        "id;text\n1;a\n",
        ", line 1: a semicolon stands between cells where a comma is due: read it with delimiter=';', or put texts",
    ),
    "semicolons and commas": (
        '\nid;text\n1;"a, b"\n2;c, d; e\n',
        ", line 2: a semicolon stands between cells where a comma",
    ),
    "semicolons without a header": ("1;a\n2;b, c\n", ", line 1: a semicolon stands between cells"),
    "semicolons and quotes": ('"id";"text"\n1;"a;b"\n', ", line 1: a semicolon stands between cells"),
    "tabs": ("id\ttext\n1\ta\n", ", line 1: a tab stands between cells where a comma is due: name the file .tsv"),
    "bars": ("1|a\n2|b\n", ", line 1: a bar stands between cells where a comma is due: read it with delimiter='|'"),
    "only a header": ("text,id\n", ": it holds no rows"),
    "no text column": (
        "a,b\nc,d\n",
        ", line 1: 2 columns and none is called 'text': name the one to read with text_field=NAME ('a', 'b'",
    ),
    "a comma without quotes": (
        "text\none, two\n",
        ", line 2: 2 cells where the first row has 1: put a text that holds",
    ),
    "a cell too few": ("text,n\na,1\nb\n", ", line 3: 1 cell where the first row has 2"),
    "a quote inside": ('text\nsix 6" nails\n', ", line 2, column 6: a quote stands in the middle of a cell"),
    "a space before the quote": ('text,n\n1, "a, b"\n', ", line 2, column 4: a quote stands in the middle"),
    "text after the quote": ('text\n"a"b\n', ", line 2, column 3: a quote is followed by 'b'"),
    "a quote left open": ('text\na\n"b\nc\n', ", line 3: a quote is opened and never closed"),
    "two columns of a name": ("text,text\na,b\n", ", line 1: two columns are called 'text'"),
    "an empty cell": ('text\n""\n', ", line 2: there is no text"),
}
BROKEN = [
    *((name, f"a{ending}", *row) for ending in (".txt", ".json", ".jsonl", ".csv") for name, row in ANY.items()),
    *((name, "a.txt", *row) for name, row in TEXT.items()),
    *((name, "a.json", *row) for name, row in JSON.items()),
    *((name, "a.jsonl", *row) for name, row in JSONL.items()),
    *((name, "a.csv", *row) for name, row in CSV.items()),
    (
        "commas",
        "a.tsv",
        "id,text\n1,a\n",
        ", line 1: a comma stands between cells where a tab is due: read it with delimiter=','",
    ),
]


@pytest.mark.parametrize(("file", "content", "part"), [pytest.param(*row, id=f"{row[0]}-{n}") for n, *row in BROKEN])
def test_a_broken_file_is_one_sentence_with_its_place(tmp_path, file, content, part):
    path = tmp_path / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    with pytest.raises(DataError) as failure:
        read_rows(path)
    sentence = str(failure.value)
    assert sentence.startswith(str(path))
    assert part in sentence.removeprefix(str(path))
    assert ": " in sentence
    assert "\n" not in sentence
    assert len(sentence.removeprefix(str(path))) < 250
    assert str(find_problems(path)[0]) == sentence


@pytest.mark.parametrize(
    ("content", "options", "part"),
    [
        ('[{"a": "b"}]', {"text_field": "text"}, "row 1 (line 1): there is no field 'text': choose one of a"),
        ('["b"]', {"text_field": "text"}, "row 1 (line 1): a string has no field: leave out text_field='text'"),
        ('["a", "b", "a"]', {"on_duplicate": "error"}, "row 3 (line 1): repeats row 1"),
        ('["abc"]', {"max_chars": 2}, "row 1 (line 1): 3 characters are more than max_chars=2"),
        ('["", " "]', {"on_empty": "drop"}, "none of its 2 rows is left"),
        (json.dumps([[USER, ANSWER]]), {"layout": "documents"}, "messages are no document"),
        ('["hello"]', {"layout": "chat"}, "row 1 (line 1): 'hello' does not begin with 'User:'"),
    ],
)
def test_options_that_do_not_fit_the_rows_are_one_sentence(tmp_path, content, options, part):
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as failure:
        read_rows(path, RowOptions(**options))
    assert part in str(failure.value)


@pytest.mark.parametrize(
    ("content", "options", "part"),
    [
        ("a,b\nc,d\n", {"text_field": "x"}, "line 1: no column is called 'x': choose one of 'a', 'b'"),
        ("a,b\nc,d\n", {"text_field": "2"}, "these are names or a row is not told: read it with header='yes', or"),
        ("a,b\nc,d\n", {"text_field": "b", "header": "no"}, "line 1: no header, so there is no column 'b'"),
        ("a,b\nc,d\n", {"text_field": "3", "header": "yes"}, "line 2: there is no field '3': choose one of a, b"),
        ("a,b\nc,d\n", {"header": "yes"}, "no column is called text: name the one to read with text_field=NAME (a, b)"),
        ("a\nb\na\n", {"on_duplicate": "error", "header": "no"}, "line 3: repeats line 1"),
    ],
)  # fmt: skip
def test_columns_that_do_not_fit_are_one_sentence(tmp_path, content, options, part):
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as failure:
        read_rows(path, RowOptions(**options))
    assert part in str(failure.value)


@pytest.mark.parametrize("name", ["a.txt", "a.json", "a.jsonl", "a.csv"])
def test_what_is_no_file_is_one_sentence(tmp_path, name, monkeypatch):
    with pytest.raises(DataError, match="there is no file"):
        read_rows(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match="is a folder"):
        read_rows(tmp_path / name)
    with pytest.raises(DataError, match="holds a NUL"):
        read_rows(f"\0{name}")
    with pytest.raises(DataError, match=r"there is no file|cannot be read"):
        read_rows("x" * 10_000 + name)
    path = tmp_path / f"b{name}"
    path.write_text("text\n" * 30, encoding="utf-8")
    monkeypatch.setattr(reading, "LIMIT_BYTES", 100)
    with pytest.raises(DataError, match="has 150 bytes, more than the 100 that are read"):
        read_rows(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(DataError, match="is not a regular file"):
        read_rows(tmp_path / "a.jsonl")


@pytest.mark.parametrize("name", ["a.txt", "a.json", "a.jsonl", "a.csv"])
@pytest.mark.parametrize(
    ("failure", "part"), [(PermissionError(13, "no"), "permission denied"), (OSError(5, "I/O"), "I/O")]
)
def test_a_disk_that_refuses_is_one_sentence(tmp_path, monkeypatch, name, failure, part):
    def broken(*_):
        raise failure

    (tmp_path / name).write_text("text\na\n", encoding="utf-8")
    monkeypatch.setattr(os, "open", broken)
    with pytest.raises(DataError, match=part):
        read_rows(tmp_path / name)
