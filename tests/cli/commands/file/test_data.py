"""`nanochat data`: what is said of good rows and of bad ones, and files that hold the same rows."""

import json
import os
from dataclasses import asdict

import pytest
import typer

from nanochat.cli.app import parse
from nanochat.cli.row_flags import READING, TREATING
from nanochat.data.builtin import BUILTINS
from nanochat.data.config import BUILTIN_HELP
from nanochat.data.files.formats import read_rows
from nanochat.data.files.options import RowOptions

CHAT = "User: Capital of Peru? Assistant: Lima. </s>"


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        (tmp_path / name).write_text(content, encoding="utf-8")
        return name

    return write_file


def test_good_rows_are_one_line(nanochat, write):
    write("a.jsonl", '{"text": "a", "id": 1}\n\n{"text": "b"}\n{"text": "a"}\n')
    done = nanochat("data", "validate", "a.jsonl")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "a.jsonl: 3 documents in field text (not read: id): 1 repeated (kept), 0 empty, 0 over-long, 1 blank lines\n"
    )


def test_what_is_dropped_is_said(nanochat, write):
    write("a.csv", 'text\nlong\n""\nb\nb\n')
    flags = "--on-empty drop --on-duplicate drop --max-chars 3 --on-long truncate".split()
    done = nanochat("data", "validate", "a.csv", *flags)
    assert done.out == (
        "a.csv: 2 documents in column text: "
        "1 repeated (dropped), 1 empty (dropped), 1 over-long (truncated), 0 blank lines\n"
    )


def test_the_first_bad_row_is_exit_3(nanochat, write):
    write("a.json", '["a",\n3,\n4]')
    nanochat("data", "validate", "a.json").assert_refused(3, "a.json, row 2 (line 2): the number 3 is no text")


def test_all_bad_rows_are_listed_on_request(nanochat, write):
    write("a.json", '["a",\n3,\n4]')
    done = nanochat("data", "validate", "a.json", "--all")
    done.assert_refused(3, "a.json has 2 problems: mend what is listed")
    assert [line.split(": ")[0] for line in done.out.splitlines()] == [
        "a.json, row 2 (line 2)",
        "a.json, row 3 (line 3)",
    ]
    write("b.json", json.dumps(list(range(50))))
    done = nanochat("data", "validate", "b.json", "--all")
    done.assert_refused(3, "b.json has 20 problems or more")
    assert len(done.out.splitlines()) == 20
    write("c.json", '["a"]')
    assert nanochat("data", "validate", "c.json", "--all").code == 0


def test_a_validation_may_be_json(nanochat, write):
    write("a.json", json.dumps([CHAT]))
    found = json.loads(nanochat("data", "validate", "a.json", "--json").out)
    assert (found["valid"], found["holds"], found["n_kept"], found["n_rows"]) == (True, "conversations", 1, 1)
    write("a.json", "[3]")
    done = nanochat("data", "validate", "a.json", "--json", "--all")
    done.assert_refused(3, "one problem")
    assert json.loads(done.out)["problems"] == ["a.json, row 1 (line 1): the number 3 is no text: write a string"]


@pytest.mark.parametrize("source", ["builtin:names", "builtin:verse", "builtin:facts"])
def test_what_comes_with_the_package_is_good(nanochat, source):
    done = nanochat("data", "validate", source, "--all", "--on-duplicate", "error")
    assert (done.code, done.err) == (0, "")


def test_figures_of_documents_are_tables(nanochat, write):
    write("a.txt", "one two\nthree\n" * 10)
    done = nanochat("data", "stats", "a.txt")
    assert (done.code, done.err) == (0, "")
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["a.txt:", "20", "documents"]
    for row in (["rows", "20"], ["repeated", "rows", "18"], ["characters", "120"], ["distinct", "words", "3"]):
        assert row in lines
    assert ["in", "each", "row", "min", "median", "p95", "max"] in lines
    assert ["characters", "5", "5", "7", "7"] in lines
    assert "\x1b" not in done.out
    assert "role" not in done.out


def test_figures_of_chat_tell_who_speaks(nanochat, write):
    write("a.json", json.dumps([CHAT, ""]))
    lines = [line.split() for line in nanochat("data", "stats", "a.json").out.splitlines()]
    assert ["empty", "rows,", "left", "out", "1"] in lines
    assert ["messages", "2", "2", "2", "2"] in lines
    assert ["user", "1", "16", "16.0", "76.2%"] in lines
    assert ["assistant", "1", "5", "5.0", "23.8%"] in lines
    found = json.loads(nanochat("data", "stats", "a.json", "--json").out)
    assert found["roles"]["user"] == {"n_messages": 1, "n_chars": 16}
    assert found["chars_per_row"] == {"min": 21, "median": 21, "p95": 21, "max": 21}


@pytest.mark.parametrize("ending", [".txt", ".json", ".jsonl", ".csv"])
def test_rows_are_the_same_in_every_format(nanochat, write, tmp_path, ending):
    write("a.json", json.dumps(["one", 'two, "three"']))
    done = nanochat("data", "convert", "a.json", f"b{ending}")
    assert done.code == 0
    assert f"out=b{ending}" in done.out
    assert read_rows(tmp_path / f"b{ending}").documents == ("one", 'two, "three"')


def test_chat_goes_from_strings_to_messages_and_back(nanochat, write, tmp_path):
    write("a.json", json.dumps([CHAT]))
    assert nanochat("data", "convert", "a.json", "b.jsonl").code == 0
    assert json.loads((tmp_path / "b.jsonl").read_text(encoding="utf-8"))["messages"][1] == {
        "role": "assistant",
        "content": "Lima.",
    }
    assert nanochat("data", "convert", "b.jsonl", "c.json", "--chat-form", "text").code == 0
    assert json.loads((tmp_path / "c.json").read_text(encoding="utf-8")) == [CHAT]
    assert nanochat("data", "convert", "b.jsonl", "d.csv").code == 0
    assert (tmp_path / "d.csv").read_text(encoding="utf-8") == f"text\n{CHAT}\n"


def test_what_a_format_cannot_hold_is_refused_and_nothing_is_written(nanochat, write, tmp_path):
    write("a.json", json.dumps(["a", "b\nc"]))
    nanochat("data", "convert", "a.json", "b.txt").assert_refused(3, "a.json, row 2: 'b\\nc' holds a line end")
    nanochat("data", "convert", "a.json", "b.json", "--chat-form", "text").assert_refused(3, "is for conversations")
    write("c.json", json.dumps([CHAT]))
    nanochat("data", "convert", "c.json", "b.csv", "--chat-form", "messages").assert_refused(3, "needs JSON")
    assert not list(tmp_path.glob("*b.*"))


def test_a_file_is_replaced_only_by_force(nanochat, write, tmp_path):
    write("a.json", '["a"]')
    write("b.jsonl", "precious")
    nanochat("data", "convert", "a.json", "b.jsonl").assert_refused(5, "b.jsonl exists already")
    assert (tmp_path / "b.jsonl").read_text(encoding="utf-8") == "precious"
    assert nanochat("data", "convert", "a.json", "b.jsonl", "--force").code == 0
    assert read_rows(tmp_path / "b.jsonl").documents == ("a",)
    nanochat("data", "convert", "a.json", "a.json/b.jsonl").assert_refused(8, "cannot write")


@pytest.mark.parametrize(
    ("line", "code", "part"),
    [
        ("data validate missing.json", 3, "there is no file missing.json"),
        ("data stats names", 3, "did you mean builtin:names?"),
        ("data stats builtin:nams", 3, "did you mean builtin:names?"),
        ("data validate", 2, "missing argument 'PATH'"),
        ("data valdate a.txt", 2, "did you mean 'validate'?"),
        ("data validate a.txt --max-chars -1", 2, "--max-chars -1 is too small"),
        ("data validate a.txt --on-long cut", 2, "invalid value for '--on-long'"),
        ("data validate a.txt --layout lines", 2, "invalid value for '--layout'"),
        ("data validate a.txt --on-long drop", 2, "--on-long drop has no effect without a limit: give --max-chars N"),
        ("data validate a.txt --delimiter ::", 2, 'delimiter "::" cannot separate cells'),
        ("data validate builtin:names --text-field x", 3, "--text-field x is for JSON and CSV"),
        ("data validate builtin:names --header no", 3, "--header no is for CSV, and builtin:names is text"),
        (
            "data validate builtin:names --max-chars 3",
            3,
            "builtin:names, row 1: 5 characters are more than --max-chars 3",
        ),
        ("data validate builtin:names --layout chat", 3, "builtin:names, line 1: 'james' does not begin"),
        ("data stats builtin:world-chat-smal", 3, "did you mean builtin:world-chat-small?"),
        ("data convert builtin:names a.json --chat-form text", 3, "--chat-form text is for conversations"),
        ("data convert builtin:names a.parquet", 2, "a.parquet cannot be written as a Parquet table (by its ending)"),
        ("data convert builtin:verse a.txt", 3, "holds a line end"),
    ],
)
def test_wrong_words_are_one_sentence(nanochat, line, code, part):
    done = nanochat(*line.split())
    assert (done.code, "Traceback" in done.err) == (code, False)
    assert part.lower() in done.err.lower()
    assert len(done.complaints) == 1


BY_FLAGS = [
    ("a.csv", "id;text\n1;a\n", 'read it with --delimiter ";"', 'read it with nanochat data convert --delimiter ";"'),
    ("a.csv", "a,b\nc,d\n", "name the one to read with --text-field NAME", "with --set data.text_field=NAME"),
    ("a.json", '["a", ""]', "drop such rows with --on-empty drop", "with nanochat data convert --on-empty drop"),
    (
        "a.json",
        f'["a", "{CHAT}"]',
        "choose --layout chat or --layout documents",
        "choose --layout chat or --layout doc",
    ),
    ("a.json", '[{"text": "a", "messages": 1}]', "choose --text-field text or", "choose --set data.text_field=text or"),
]


@pytest.mark.parametrize(("name", "content", "here", "in_train"), BY_FLAGS)
def test_settings_are_named_by_the_flags_of_the_command(nanochat, write, name, content, here, in_train):
    write(name, content)
    nanochat("data", "validate", name).assert_refused(3, here)
    assert here in nanochat("data", "validate", name, "--all").out
    nanochat("data", "convert", name, "b.txt").assert_refused(3, here)
    nanochat("train", "--data", name, "--preset", "bigram", "--dry-run").assert_refused(3, in_train)


def test_what_stands_in_a_file_is_not_taken_for_a_setting(nanochat, write):
    write("a.json", "layout='chat'")
    nanochat("data", "validate", "a.json").assert_refused(3, "layout='chat'")
    nanochat("data", "validate", "layout=chat.json").assert_refused(3, "there is no file layout=chat.json")


@pytest.mark.parametrize("command", ["validate", "convert"])
def test_help_shows_a_conversation_that_is_one(nanochat, write, command):
    shown = " ".join(nanochat("data", command, "--help").out.split())
    row = shown[shown.index('{"messages"') : shown.index("]}") + 2]
    write("a.jsonl", row)
    assert nanochat("data", "validate", "a.jsonl").out.startswith("a.jsonl: 1 conversation in field messages")


def test_training_says_that_a_csv_has_no_header(nanochat, write):
    write("a.csv", "sentence\none\ntwo\n")
    said = "line 1: sentence is read as a row, not as the name of the column: "
    assert said + "--header yes reads it" in nanochat("data", "stats", "a.csv").err
    done = nanochat("train", "--data", "a.csv", "--preset", "bigram", "--dry-run")
    assert said + "nanochat data convert --header yes reads it" in done.err


HEADERS = [
    ("", "its number with {}header no where this is a row"),
    ("2", "read it with {0}header yes, or with {0}header no"),
]


@pytest.mark.parametrize(("column", "said"), HEADERS)
def test_a_header_is_named_by_its_flag(nanochat, write, column, said):
    write("a.csv", "a,b\nc,d\n")
    nanochat("data", "validate", "a.csv", "--text-field", column).assert_refused(3, said.format("--"))
    training = ("train", "--data", "a.csv", "--preset", "bigram", "--dry-run", "--set", f'data.text_field="{column}"')
    nanochat(*training).assert_refused(3, said.format("nanochat data convert --"))


def test_help_names_every_text_of_the_package(nanochat):
    families = {name.removesuffix("-small").removesuffix("-large") for name in BUILTINS}
    assert families == set(BUILTIN_HELP.split(" (")[0].split(", "))
    for words in ("train", "data validate", "data stats", "data convert", "tokenizer train", "ablate"):
        shown = "".join(nanochat(*words.split(), "--help").out.split())
        assert f"builtin:NAME:{BUILTIN_HELP}".replace(" ", "") in shown


def test_one_row_is_good_and_too_few_to_train_on(nanochat, write):
    write("a.json", '["one row"]')
    done = nanochat("data", "validate", "a.json")
    assert (done.code, done.err) == (
        0,
        "a.json holds one row: nanochat train needs one to learn from and another to validate on\n",
    )
    nanochat("train", "--data", "a.json", "--preset", "bigram", "--dry-run").assert_refused(
        3, "put one document on each row"
    )
    write("a.txt", "one text")
    assert nanochat("data", "validate", "a.txt").err == ""


def test_a_text_of_conversations_is_told_how_to_be_one(nanochat, write):
    write("a.txt", f"{CHAT}\n{CHAT}\n")
    hint = "a.txt looks like conversations and is read as text: choose --layout chat to learn to answer"
    assert nanochat("data", "stats", "a.txt").err == f"nanochat: {hint}\n"
    assert nanochat("data", "stats", "a.txt", "--layout", "chat").err == ""


def test_tabs_are_written_as_the_ending_says(nanochat, write, tmp_path):
    write("a.json", json.dumps(["a\tb", "c, d"]))
    assert nanochat("data", "convert", "a.json", "b.tsv").code == 0
    assert (tmp_path / "b.tsv").read_text(encoding="utf-8") == 'text\n"a\tb"\nc, d\n'


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
def test_force_replaces_files_only(nanochat, write, tmp_path):
    write("a.json", '["a"]')
    os.mkfifo(tmp_path / "b.json")
    nanochat("data", "convert", "a.json", "b.json", "--force").assert_refused(5, "b.json is no regular file")
    assert (tmp_path / "b.json").is_fifo()


def test_options_arrive_as_they_are_given():
    work = parse("data validate a.csv --text-field 2 --header no --delimiter ; --on-duplicate error".split())
    options = work.keywords["options"]
    assert (options.text_field, options.header) == ("2", "no")
    assert (options.delimiter, options.on_duplicate) == (";", "error")
    with pytest.raises(typer.TyperException):
        parse(["data", "convert", "a.json"])


def test_every_option_of_rows_is_a_flag_with_its_default():
    given = {parameter.name: parameter.default for parameter in (*READING, *TREATING)}
    assert given == asdict(RowOptions())
