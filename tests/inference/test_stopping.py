"""Stop strings: found however the text is cut, never shown in part, and nothing held back without need."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.errors import UsageError
from nanochat.inference.stopping import certain_text, check_stops, find_stop, stop_at, stop_test
from nanochat.tokenizers import BPETokenizer, CharTokenizer, WordTokenizer

AB = st.text("ab", max_size=12)
STOPS = st.lists(st.text("ab", min_size=1, max_size=4), max_size=3)
BYTES = BPETokenizer.train("", vocab_size=257)  # a token for each byte, so that characters are cut too


def cut(text: str, places: list[int]) -> list[str]:
    """The text in pieces, cut at these places."""
    return [text[a:b] for a, b in pairwise([0, *sorted(places), len(text)])]


def by_definition(text: str, stops: list[str]) -> str:
    """Character by character: at the first one where a stop string is complete, the text ends before the longest."""
    for end in range(1, len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            return text[: end - len(max(complete, key=len))]
    return text


@given(AB, STOPS, st.lists(st.integers(0, 12), max_size=6))
def test_the_text_ends_before_the_stop_string_that_is_complete_first(text, stops, places):
    places = [min(place, len(text)) for place in places]
    assert "".join(stop_at(cut(text, places), stops)) == by_definition(text, stops)


def test_a_stop_string_is_found_at_every_cut_of_its_characters():
    text, stop = "Paris.\n\nQuestion: who?", "\n\nQuestion:"
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            assert "".join(stop_at(cut(text, [first, second]), [stop])) == "Paris."


@given(AB, STOPS)
def test_nothing_is_held_back_that_cannot_become_a_stop_string(text, stops):
    for n, so_far in enumerate(screens(text, stops)):  # when character n was asked for
        ends = [text[i:n] for i in range(n + 1)]
        held = next(end for end in ends if not end or any(stop.startswith(end) and stop != end for stop in stops))
        assert so_far + held == text[:n]


def screens(text: str, stops: list[str]) -> list[str]:
    """What had been shown each time that a character was asked for."""
    screen, seen = "", list[str]()

    def characters():
        for ch in text:
            seen.append(screen)
            yield ch

    for piece in stop_at(characters(), stops):
        screen += piece
    return seen


def test_no_piece_is_asked_for_after_the_stop_string():
    asked = []
    pieces = (asked.append(piece) or piece for piece in ["a", "b", "c", "d"])
    assert "".join(stop_at(pieces, ["bc"])) == "a"
    assert asked == ["a", "b", "c"]


def test_what_was_held_back_in_vain_is_shown():
    assert list(stop_at(["a", "b", "x"], ["abc"])) == ["abx"]
    assert list(stop_at(["a", "b"], ["abc"])) == ["ab"]
    assert list(stop_at(["aab", "c"], ["abc"])) == ["a"]
    assert list(stop_at(["abcd", "b"], ["cdx", "dbz"])) == ["ab", "c", "db"]


def test_without_a_stop_string_pieces_pass_as_they_are():
    assert list(stop_at(["a", "bc", "d"], [])) == ["a", "bc", "d"]


def test_of_two_that_end_together_the_longer_counts():
    assert find_stop("xabc", ["c", "abc"]) == 1
    assert find_stop("xabcd", ["abcd", "bc"]) == 2  # complete before the other
    assert find_stop("xyz", ["a"]) is None


@pytest.mark.parametrize("seed", range(4))
def test_a_stop_string_ends_a_text_wherever_tokens_cut_it(seed):
    source = random.Random(seed)
    for _ in range(50):
        text = "".join(source.choices("aé€😀本 \n", k=source.randrange(1, 12)))
        start = source.randrange(len(text))
        stop = text[start : start + source.randrange(1, 4)]
        ids, tokenizer = BYTES.encode(text), BYTES
        expected = by_definition(text, [stop])
        assert "".join(stop_at(tokenizer.decode_stream(iter(ids)), [stop])) == expected
        is_over = stop_test(tokenizer, [stop])
        n_read = next(n for n in range(1, len(ids) + 1) if is_over(ids[:n]))
        assert BYTES.decode(ids[:n_read]) == expected + stop


@given(st.text(max_size=8), st.integers(0, 40))
def test_certain_text_is_what_more_ids_cannot_change(text, n):
    ids = BYTES.encode(text)
    certain = certain_text(BYTES, ids[:n])
    assert text.startswith(certain)
    assert len(certain.encode()) > len(ids[:n]) - 4  # a character has at most four bytes


def test_an_apostrophe_is_not_certain_before_the_next_word():
    tokenizer = WordTokenizer.train("I don't know '")
    ids = tokenizer.encode("I don't")
    assert [certain_text(tokenizer, ids[:n]) for n in range(5)] == ["", "I", "I don", "I don", "I don't"]
    assert certain_text(tokenizer, ids[1:2], "I") == " don"


def test_without_a_string_there_is_nothing_to_test():
    assert stop_test(CharTokenizer("ab"), []) is None


def test_an_empty_stop_string_is_refused():
    with pytest.raises(UsageError, match="stop='' is empty"):
        check_stops(["a", ""])
    with pytest.raises(UsageError, match="give a list of them"):
        check_stops("abc")
    assert check_stops(["b", "a", "b"]) == ("b", "a")
