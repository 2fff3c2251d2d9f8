"""What came from outside: one reader of text, and TOML that is hostile or was saved elsewhere."""

import pytest

from nanochat.errors import ConfigError
from nanochat.storage.toml import read_toml_table


def test_toml_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "a.toml"
    path.write_bytes(b"\xef\xbb\xbfsteps = 5\r\n")
    assert read_toml_table(path, "--config") == {"steps": 5}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_toml_in_another_encoding_has_the_sentence_of_data_files(tmp_path, encoding):
    path = tmp_path / "a.toml"
    path.write_text("steps = 5\n", encoding=encoding)
    with pytest.raises(ConfigError, match=r"a\.toml, line 1: a NUL at byte \d, so it is binary or UTF-16: save it as"):
        read_toml_table(path, "--config")


def test_toml_that_is_no_utf_8_names_line_and_byte(tmp_path):
    path = tmp_path / "a.toml"
    path.write_bytes(b'a = 1\nname = "caf\xe9"\n')
    with pytest.raises(ConfigError, match="line 2: not UTF-8, byte 0xe9 at byte offset 17"):
        read_toml_table(path, "--config")


@pytest.mark.parametrize(
    "text",
    [
        "a." * 20_000 + "a = 1",
        "[" + "a." * 20_000 + "a]",
        "ok = 1\nx = {" + '"a" . ' * 20_000 + "a = 1}",
        "\n".join("a ." + " \t'b'." * 40 + f"x{i} = 1" for i in range(1000)),
    ],
)
def test_keys_deeper_than_any_setting_are_refused_unparsed(tmp_path, monkeypatch, text):
    from nanochat.storage import toml

    monkeypatch.setattr(toml.tomllib, "loads", lambda text: pytest.fail("parsed"))
    path = tmp_path / "a.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"line \d+: a key of over 32 parts"):
        read_toml_table(path, "--config")


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("a.b.c = 1", {"a": {"b": {"c": 1}}}),
        ('p = "wait ' + "." * 100 + '"', {"p": "wait " + "." * 100}),
        ('p = "' + "A sentence. " * 100 + '"', {"p": "A sentence. " * 100}),
    ],
)
def test_dots_in_texts_and_in_usual_keys_are_read(tmp_path, text, content):
    path = tmp_path / "a.toml"
    path.write_text(text, encoding="utf-8")
    assert read_toml_table(path, "--config") == content


def test_toml_that_does_not_parse_says_how_to_mend_it(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("steps: 5", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a line is e\.g\. steps = 500"):
        read_toml_table(path, "--config")
