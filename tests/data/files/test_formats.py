"""Rows of every format: what is read, which field, what is kept and counted."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.data.chat import Message, from_text
from nanochat.data.files import text as reading
from nanochat.data.files.csv_rows import parse_csv
from nanochat.data.files.formats import find_problems, format_of, read_rows, rows_of
from nanochat.data.files.rows import Counts, RowOptions
from nanochat.errors import ConfigError, DataError, NanochatWarning

CHAT = "User: Capital of Peru? Assistant: Lima. </s>"
TURNS = (Message("user", "Capital of Peru?"), Message("assistant", "Lima."))
MESSAGES = [{"role": "user", "content": "Capital of Peru?"}, {"role": "assistant", "content": "Lima."}]


@pytest.fixture
def read(tmp_path):
    def read_file(name, content, **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return read_rows(path, RowOptions(**options))

    return read_file


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "one\n two, \n"),
        ("a.json", '["one", "two,"]'),
        ("a.json", '[{"text": "one"}, {"text": "two,", "id": 2}]'),
        ("a.json", '[{"sentence": "one"}, {"sentence": "two,"}]'),
        ("a.jsonl", '"one"\n"two,"'),
        ("a.ndjson", '{"text": "one"}\n{"text": "two,"}\n'),
        ("a.csv", 'one\n"two,"\n'),
        ("a.csv", 'text\none\n"two,"\n'),
        ("a.csv", 'id,text\n1,one\n2,"two,"\n'),
        ("a.tsv", "id\ttext\n1\tone\n2\ttwo,\n"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is read as a row")
def test_the_same_texts_come_from_every_format(read, name, content):
    rows = read(name, content)
    assert rows.documents == ("one", "two,")
    assert (rows.is_chat, len(rows)) == (False, 2)


@pytest.mark.parametrize(
    ("name", "content", "layout"),
    [
        ("a.json", json.dumps([CHAT]), "auto"),
        ("a.json", json.dumps([{"text": CHAT}]), "auto"),
        ("a.json", json.dumps([{"messages": MESSAGES}]), "auto"),
        ("a.json", json.dumps([MESSAGES]), "auto"),
        ("a.json", json.dumps([{"text": "x", "messages": MESSAGES}]), "chat"),
        ("a.jsonl", json.dumps({"messages": MESSAGES}), "auto"),
        ("a.jsonl", json.dumps(MESSAGES), "auto"),
        ("a.csv", f"text\n{CHAT}\n", "auto"),
        ("a.csv", f"{CHAT}\n", "auto"),
        ("a.txt", f"{CHAT}\n", "chat"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is read as a row")
def test_the_same_conversation_comes_from_every_format(read, name, content, layout):
    rows = read(name, content, layout=layout)
    assert rows.conversations == (TURNS,)
    assert rows.documents == ()


def test_strings_of_chat_are_documents_where_that_is_said(read):
    assert read("a.json", json.dumps([CHAT]), layout="documents").documents == (CHAT,)
    assert read("a.txt", CHAT).documents == (CHAT,)


def test_a_text_may_be_one_as_a_whole(read):
    assert read("a.txt", " one\n\ntwo\n", layout="stream").documents == (" one\n\ntwo\n",)


def test_texts_of_json_and_csv_keep_their_white_space(read):
    assert read("a.json", '[" one\\n"]').documents == (" one\n",)
    assert read("a.csv", 'text\n" one\n"\n').documents == (" one\n",)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_a_byte_order_mark_make_no_difference(read, end, mark):
    lines = {
        "a.txt": ["one", "two"],
        "a.json": ['["one",', '"two"]'],
        "a.jsonl": ['"one"', '"two"'],
        "a.csv": ["text", "one", '"two"'],
    }
    for name, parts in lines.items():
        assert read(name, mark + (end.join(parts) + end).encode()).documents == ("one", "two"), name


@pytest.mark.parametrize(
    ("content", "options", "texts"),
    [
        ("a,b\nc,d\n", {"text_field": "b"}, ("d",)),
        ("a,b\nc,d\n", {"text_field": "2", "header": "yes"}, ("d",)),
        ("a,b\nc,d\n", {"text_field": "2", "header": "no"}, ("b", "d")),
        ("text\nc\n", {"header": "no"}, ("text", "c")),
        ("title\nc\n", {"header": "yes"}, ("c",)),
        ("title\nc\n", {"text_field": "1"}, ("title", "c")),
        ("2;text\nc;d\n", {"text_field": "2", "delimiter": ";"}, ("c",)),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is read as a row")
def test_a_column_is_chosen_by_name_or_number(read, content, options, texts):
    assert read("a.csv", content, **options).documents == texts


@pytest.mark.parametrize(
    ("name", "content", "unread"),
    [
        ("a.csv", ",text\n0,a\n1,b\n", ("unnamed 1",)),
        ("a.csv", "text,,\na,1,2\nb,3,4\n", ("unnamed 2", "unnamed 3")),
        ("a.json", '[{"text": "a", "": "0"}, {"text": "b"}]', ("",)),
        ("a.json", '[{"": "a"}, {"": "b"}]', ()),
    ],
)
def test_a_column_or_field_may_have_no_name(read, name, content, unread):
    rows = read(name, content)
    assert (rows.documents, rows.unused_fields) == (("a", "b"), unread)


@pytest.mark.parametrize(
    ("content", "field", "column"),
    [
        ("Text\na\n", "", "Text"),
        ("id, TEXT\n0,a\n", "", " TEXT"),
        ("Text,text\n0,a\n", "", "text"),
        ("id,Sentence\n0,a\n", "sentence", "Sentence"),
        ("id;Text\n0;a\n", "", None),
        ("Text,TEXT\n0,a\n", "", None),
    ],
)
def test_a_column_is_found_whatever_its_case_unless_two_are_alike(read, content, field, column):
    if column is None:
        with pytest.raises(DataError, match=r"semicolon stands between|none is called 'text'"):
            read("a.csv", content, text_field=field)
    else:
        rows = read("a.csv", content, text_field=field)
        assert (rows.documents, rows.text_field) == (("a",), column)


def test_a_column_without_a_known_name_is_read_as_rows_and_that_is_said(read):
    with pytest.warns(NanochatWarning, match=r"a\.csv, line 1: sentence is read as a row, not as the name"):
        assert read("a.csv", "sentence\na\n").documents == ("sentence", "a")
    assert read("a.csv", "sentence\na\n", header="no").documents == ("sentence", "a")


def test_what_is_not_read_is_named(read):
    rows = read("a.jsonl", '{"text": "a", "id": 1}\n{"text": "b", "source": "x"}')
    assert (rows.text_field, rows.unused_fields) == ("text", ("id", "source"))


def test_blank_lines_are_no_rows_and_are_counted(read):
    for name, content in {"a.txt": "a\n\n \nb\n", "a.jsonl": '"a"\n\n \n"b"\n\n', "a.csv": "text\n\na\n\nb\n"}.items():
        rows = read(name, content)
        assert (rows.documents, rows.counts.n_rows, rows.counts.n_blank_lines) == (
            ("a", "b"),
            2,
            {"a.txt": 2, "a.jsonl": 3, "a.csv": 2}[name],
        )


def test_rows_are_dropped_cut_and_counted_as_said(read):
    content = json.dumps(["ab", "", "abcd", "ab", "abcde", " "])
    options = {"on_empty": "drop", "max_chars": 4, "on_long": "truncate", "on_duplicate": "drop"}
    rows = read("a.json", content, **options)
    assert rows.documents == ("ab", "abcd")
    assert rows.counts == Counts(n_rows=6, n_empty=2, n_long=1, n_duplicates=2)
    kept = read("a.json", content, on_empty="drop", max_chars=4, on_long="drop")
    assert kept.documents == ("ab", "abcd", "ab")


def test_equal_conversations_are_duplicates_however_they_are_written(read):
    rows = read("a.jsonl", json.dumps(MESSAGES) + "\n" + json.dumps(MESSAGES, indent=None, separators=(",", ":")))
    assert rows.counts.n_duplicates == 1
    assert read("a.json", json.dumps([MESSAGES, [], MESSAGES]), on_empty="drop", on_duplicate="drop").counts == Counts(
        n_rows=3, n_empty=1, n_duplicates=1
    )


def test_an_over_long_conversation_is_dropped_and_never_cut(read):
    assert read("a.json", json.dumps([MESSAGES, [MESSAGES[0], {"role": "assistant", "content": "x" * 99}]]),
                max_chars=50, on_long="drop").conversations == (TURNS,)  # fmt: skip
    with pytest.raises(DataError, match="an answer would end in the middle"):
        read("a.json", json.dumps([MESSAGES]), max_chars=5, on_long="truncate")


def test_a_field_of_messages_may_hold_text_where_that_is_said(read):
    rows = read(
        "a.json", json.dumps([{"messages": CHAT, "id": 1}, {"messages": CHAT, "text": "x"}]), text_field="messages"
    )
    assert (rows.conversations, rows.unused_fields) == ((TURNS, TURNS), ("id", "text"))
    both = json.dumps([{"text": "a"}, {"text": "b", "messages": "c"}])
    assert read("a.json", both, layout="documents").documents == ("a", "b")
    assert read("a.csv", "id,messages\n1,a\n", text_field="messages").documents == ("a",)


@pytest.mark.parametrize(
    ("name", "content", "options", "texts"),
    [
        ("a.csv", '"one; two"\n"three; four"\n', {}, ("one; two", "three; four")),
        ("a.csv", "one; two\nthree; four\n", {"delimiter": ","}, ("one; two", "three; four")),
        ("a.csv", "text\none; two\nthree; four\n", {}, ("one; two", "three; four")),
        ("a.csv", "one; two\nthree\n", {}, ("one; two", "three")),
        ("a.csv", "one; two\n", {}, ("one; two",)),
        ("a.csv", "id,text\n1;a,b\n2;a,c\n", {}, ("b", "c")),
        ("a.tsv", "one, two\nthree, four\n", {}, ("one, two", "three, four")),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is read as a row")
def test_marks_of_a_text_are_no_delimiters(read, name, content, options, texts):
    assert read(name, content, **options).documents == texts


@pytest.mark.parametrize("name", ["a.txt", "a.json", "a.jsonl", "a.csv"])
def test_a_row_of_a_megabyte_is_a_row_like_any_other(read, name):
    huge = "x" * 1_000_000
    content = {"a.txt": huge, "a.json": json.dumps([huge]), "a.jsonl": json.dumps(huge), "a.csv": f'text\n"{huge}"'}
    assert read(name, content[name]).documents == (huge,)


def test_lines_are_numbered_through_cells_of_several_lines(read):
    with pytest.raises(DataError, match=r"a\.csv, line 6: 3 cells where the first row has 2"):
        read("a.csv", 'text,n\n"a\n\nb",1\nc,2\nd,3,4\n')


def test_all_problems_are_listed_in_order_and_up_to_a_limit(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('"a"\n{\n3\n"b"\n""\n"a"\n"c"\n', encoding="utf-8")
    problems = [str(problem) for problem in find_problems(path, RowOptions(on_duplicate="error"))]
    assert [problem.split(": ")[0].removeprefix(str(path)) for problem in problems] == [
        ", line 2",
        ", line 3",
        ", line 5",
        ", line 6",
    ]
    assert [str(problem) for problem in find_problems(path, limit=1)] == problems[:1]
    with pytest.raises(DataError) as first:
        read_rows(path)
    assert str(first.value) == problems[0]


def test_a_good_file_has_no_problems_and_one_that_ends_the_reading_is_the_last(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('text,n\na\nb,1\n"c', encoding="utf-8")
    assert [str(problem).split(": ")[0][-6:] for problem in find_problems(path)] == ["line 2", "line 4"]
    path.write_text("text\na\n", encoding="utf-8")
    assert find_problems(path) == []


def test_texts_in_memory_are_counted_like_those_of_a_file():
    rows = rows_of(["a", "b", "a"], "here", RowOptions(on_duplicate="drop"))
    assert (rows.documents, rows.counts.n_duplicates, rows.origin) == (("a", "b"), 1, "here")
    assert rows_of([TURNS], "here").conversations == (TURNS,)


@pytest.mark.parametrize(
    ("name", "format"), [("a.JSON", "json"), ("b.jsonl", "jsonl"), ("c.Csv", "csv"), ("json", "text"), ("d.md", "text")]
)
def test_the_ending_names_the_format(name, format):
    assert format_of(name) == format


@pytest.mark.parametrize(
    ("name", "options", "part"),
    [
        ("a.json", {"layout": "stream"}, "layout='stream' is for plain text"),
        ("a.json", {"header": "yes"}, "header='yes' is for CSV, and .*a.json is JSON"),
        ("a.txt", {"delimiter": ";"}, "delimiter=';' is for CSV, and .*a.txt is text"),
        ("a.txt", {"text_field": "x"}, "text_field='x' is for JSON and CSV"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(read, name, options, part):
    with pytest.raises(ConfigError, match=part):
        read(name, "a", **options)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"layout": "lines"}, "layout='lines' is unknown: choose one of auto, stream, documents, chat"),
        ({"on_empty": "keep"}, "on_empty='keep' is unknown"),
        ({"on_duplicate": ""}, "on_duplicate='' is unknown"),
        ({"on_long": "cut"}, "on_long='cut' is unknown"),
        ({"header": "maybe"}, "header='maybe' is unknown"),
        ({"max_chars": -1}, "max_chars=-1 is negative"),
        ({"on_long": "drop"}, "on_long='drop' has no effect without a limit: give max_chars=N"),
        ({"delimiter": "::"}, "delimiter='::' cannot separate cells"),
        ({"delimiter": '"'}, "cannot separate cells"),
    ],
)
def test_a_wrong_option_is_one_sentence(options, part):
    with pytest.raises(ConfigError, match=part):
        RowOptions(**options)


CELLS = st.text(st.sampled_from('ab,;"\n \u00e9'), max_size=8)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=8), st.sampled_from(",;"))
def test_cells_are_those_that_pythons_csv_wrote(records, delimiter):
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(records)
    lines = enumerate(file.getvalue().removesuffix("\n").split("\n"), start=1)
    assert [cells for _, cells in parse_csv("a.csv", lines, delimiter) if cells] == records


@given(
    st.lists(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1), min_size=1)
)
def test_any_texts_survive_json(tmp_path_factory, texts):
    texts = [text for text in texts if text.strip() and not text.lstrip().startswith(("User:", "System:"))] or ["a"]
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(texts), encoding="utf-8")
    assert read_rows(path).documents == tuple(texts)


def test_a_file_is_read_a_line_at_a_time(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    path.write_text('"a"\n' * 3 + "{", encoding="utf-8")
    monkeypatch.setattr(reading, "read_text", None)
    lines = reading.read_lines(str(path))
    assert next(lines) == (1, '"a"')
    assert list(lines)[-1] == (4, "{")


def test_chat_strings_follow_the_rules_of_from_text(read):
    assert read("a.json", json.dumps([CHAT])).conversations == (from_text(CHAT),)
