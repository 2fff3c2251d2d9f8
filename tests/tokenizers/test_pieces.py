"""Special tokens are cut out of a text as an alternation of their names, the longest first, would."""

import random

import regex
from hypothesis import given
from hypothesis import strategies as st

from nanochat.tokenizers import BPETokenizer
from nanochat.tokenizers.pieces import special_cutter


def alternation(names):
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    return regex.compile(f"({'|'.join(map(regex.escape, longest_first))})")


@given(
    st.sets(st.text("ab]^-\\[.é", min_size=1, max_size=4), min_size=1, max_size=8), st.text("ab]^-\\[.éx", max_size=40)
)
def test_the_leftmost_and_then_the_longest_name_is_cut_out(names, text):
    assert special_cutter(names).split(text) == alternation(names).split(text)


def test_without_names_there_is_nothing_to_cut():
    assert special_cutter([]) is None


def test_a_hundred_thousand_special_tokens_are_found_as_a_hundred_are():
    """The text has the names of the first hundred only: the others must not change its ids."""
    rng = random.Random(1)
    names = [f"<|extra {i}|>" for i in range(100_000)]
    few = BPETokenizer.train("low lower lowest", vocab_size=360, special_tokens=names[:100])
    many = few.with_special_tokens(names)
    text = "".join(rng.choice(["low ", "<|extra ", "|>", *names[:100]]) for _ in range(10_000))
    assert many.encode(text) == few.encode(text)
    assert many.decode(many.encode(text)) == text
