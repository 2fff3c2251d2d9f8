"""Each medium shows what a text holds and obeys nothing of it; a path comes back from its text byte for byte."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from matplotlib.figure import Figure

from nanochat import plain

NASTY = "$x^{$ <b>|`code`\\| *a* _b_ [c](d) ~~e~~ &lt; \x1b]0;x\x07 \x9b1m \u202e \r\v\u2028 \udcff"
ANY = st.one_of(st.text(), st.text(alphabet="`|\\$<>&*_[]()#~-+=1.) \nab", max_size=12))
OBEYED = set(map(chr, [*range(32), *range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F)]))
OBEYED |= set(map(chr, range(0x2066, 0x2070)))
OURS = {"bullet_list", "list_item", "paragraph", "table", "thead", "tbody", "tr", "th", "td"}


def is_inert(text, allowed=""):
    text.encode("utf-8")
    return not OBEYED.difference(allowed).intersection(text)


def parsed(document):
    """The tokens of a document, as readers with tables and crossed-out words take it."""
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return [one for token in reader.parse(document) for one in [token, *(token.children or [])]]


@given(st.binary(min_size=1).filter(lambda raw: 0 not in raw))
@example(b"caf\xe9")
@example("é \u202e %41\n".encode())
@pytest.mark.skipif(sys.platform == "win32", reason="names are text there")
def test_a_path_of_any_bytes_is_text_and_comes_back(raw):
    path = os.fsdecode(raw)
    shown = plain.shown_path(path)
    assert is_inert(shown)
    if not path.startswith("file:"):
        assert os.fsencode(plain.path_of(shown)) == os.fsencode(Path(path))


@given(st.text().filter(lambda text: not text.startswith("file:") and not OBEYED.intersection(text)))
def test_a_path_that_is_text_stays_as_it_is(text):
    assert plain.shown_path(text) == text


@given(ANY)
@example(NASTY)
def test_a_terminal_shows_every_control_and_obeys_none(text):
    assert is_inert(plain.terminal(text), "\n\t")
    assert is_inert(plain.terminal(text, keep=""))


def test_a_terminal_shows_characters_of_bytes_that_are_some_and_the_others_as_numbers():
    assert plain.terminal("caf\udcc3\udca9 caf\udce9") == "café caf\\xe9"
    assert plain.terminal("half \ud800") == "half \\xed\\xa0\\x80"
    assert plain.terminal("日本 \u200d é\tb\n") == "日本 \u200d é\tb\n"


@given(ANY)
@example(NASTY)
def test_json_means_the_same_and_obeys_nothing(text):
    document = json.dumps({text: [text]}, indent=1, ensure_ascii=False)
    shown = plain.json_text(document)
    assert is_inert(shown, "\n")
    assert json.loads(shown) == json.loads(document)


@given(ANY)
@example(NASTY)
@example("- a")
@example("1. a")
@example("---")
@example("__0__")
def test_markdown_shows_the_text_itself_in_a_cell_a_paragraph_and_a_list(text):
    shown, meant = plain.markdown(text), plain.terminal(" ".join(text.split()), keep="")
    assert is_inert(shown)
    assert not set("$|").intersection(shown)
    tokens = parsed(f"| a | b |\n| :-- | :-- |\n| {shown} | c |\n\n{shown}\n\n* {shown}\n")
    kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
    assert kinds <= OURS | {"inline", "text", "text_special"}
    texts = ["".join(part.content for part in token.children) for token in tokens if token.type == "inline"]
    assert texts == ["a", "b", meant, "c", *[meant] * (len(texts) - 4)]


@given(ANY)
@example(NASTY)
@example("`")
@example("a`")
@example(" a ")
@example("\\")
def test_a_code_span_shows_the_text_itself(text):
    shown, meant = plain.code_span(text), plain.terminal(text, keep="")
    assert is_inert(shown)
    assert "|" not in shown
    tokens = parsed(f"| a | b |\n| :-- | :-- |\n| {shown} | c |\n\nso {shown} then\n")
    assert {token.type.removesuffix("_open").removesuffix("_close") for token in tokens} <= OURS | {
        "inline",
        "text",
        "text_special",
        "code_inline",
    }
    cells = ["".join(part.content for part in token.children) for token in tokens if token.type == "inline"]
    assert [" ".join(cell.split()) for cell in (cells[2], cells[4])] == [
        " ".join(meant.split()),
        " ".join(f"so {meant} then".split()),
    ]


@pytest.mark.parametrize("text", ["$x^{$", "a$b", "\\$a$", "p$\\frac{$", NASTY, "$lr$"])
def test_a_figure_draws_letters_and_no_mathematics(text):
    figure = Figure()
    drawn = figure.suptitle(plain.figure(text))
    shown, is_mathematics = drawn._preprocess_math(drawn.get_text())
    assert not is_mathematics
    assert shown == plain.terminal(text, keep="")


def test_a_long_label_loses_its_middle():
    assert plain.shortened("a" * 30 + "b" * 30, 10) == "aaaaa ... bbbbb"
    assert plain.shortened("ab", 2) == "ab"


def test_a_link_leads_to_the_file_of_any_name():
    assert plain.link("1-a b)|é/loss.png") == "1-a%20b%29%7C%C3%A9/loss.png"


@pytest.mark.skipif(sys.platform == "win32", reason="names are text there")
def test_typed_text_is_its_characters_and_what_are_none_stays():
    assert plain.typed("\udcc3\udca9 é \udcff") == "é é \udcff"


@pytest.mark.parametrize("half", ["a\ud800b", "\udfffx"])
def test_half_a_character_is_left_to_whoever_reads_it(half):
    assert str(plain.path_of(half)) == plain.shown_path(half) == plain.typed(half) == half


def test_bytes_that_are_a_mark_of_direction_are_inert_in_any_locale():
    by_byte = "r\u202ea".encode().decode(
        "ascii", "surrogateescape"
    )  # as Python reads a name where it knows ASCII alone
    assert plain.terminal(by_byte) == plain.terminal("r\u202ea")
    assert is_inert(plain.terminal(by_byte))
