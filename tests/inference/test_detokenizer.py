"""Pushed ids read what pulled ids read, however they come."""

from hypothesis import given
from hypothesis import strategies as st

from nanochat.inference.detokenizer import detokenizer
from nanochat.tokenizers import BPETokenizer, CharTokenizer, WordTokenizer

TOKENIZERS = [
    CharTokenizer.train("abc d"),
    BPETokenizer.train("the cat that sat", vocab_size=262, special_tokens=("<|end|>",)),
    WordTokenizer.train("don ' t say \" well - known \" ( 3 . 14 ) dogs ’ it ' s", special_tokens=("<|end|>",)),
]
BEFORE = st.sampled_from(["", " ", "say ", "don'", "dogs", 'a "well', "é"])


@given(st.sampled_from(TOKENIZERS), st.data(), BEFORE)
def test_pushes_join_to_what_a_stream_yields(tokenizer, data, before):
    if isinstance(tokenizer, CharTokenizer):
        before = ""
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size - 1), max_size=12))
    pushed = detokenizer(tokenizer, before)
    pieces = [pushed.push(id_) for id_ in ids] + [pushed.close()]
    assert "".join(pieces) == "".join(tokenizer.decode_stream(ids, before))
    assert pushed.text == before + "".join(pieces)


@given(st.data())
def test_what_an_id_would_read_is_what_it_reads(data):
    words = TOKENIZERS[2]
    known = st.integers(1, words.vocab_size - 1)
    ids = data.draw(st.lists(known, min_size=1, max_size=5))
    pushed = detokenizer(words, "say ")
    for id_ in ids[:-1]:
        pushed.push(id_)
    would = pushed.would(ids[-1])
    rest = pushed.push(ids[-1]) + pushed.close()
    assert would.split() == rest.split()  # a quotation mark that is open decides a space, which a window cannot see
