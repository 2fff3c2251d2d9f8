"""Byte pair encoding: laws of the round trip, equal to the plain formulation, fast on hostile text, clear refusals."""

import importlib.util
import json
import random
import time
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nanochat.errors import TokenizerError
from nanochat.tokenizers import BPETokenizer, tokenizer_from_dict
from nanochat.tokenizers import pieces as cutting_module
from nanochat.tokenizers.bpe import PATTERNS
from nanochat.tokenizers.merges import learn_merges, merge
from nanochat.tokenizers.pieces import ALPHABET, spell, unspell

SPEECH = """MENENIUS. I'll tell you, sirs: the 1,024 citizens won't be hungry in 2026, if they don't eat more than they
have. What work's, my countrymen, in hand? Where go you with bats and clubs?  The matter? Speak, I pray you!
Ünïcode, naïveté, 日本語のテキスト, кириллица, العربية, \U0001f600\U0001f468\u200d\U0001f469,
  and  tabs\t\tand\r\n\r\nlines.
"""
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LIKE_SPEECH = st.lists(st.sampled_from([*SPEECH.split(" "), " ", "\n", "'S", "12345", "\u3000"]), max_size=30).map(
    "".join
)
WORDS = st.dictionaries(st.lists(st.integers(1, 4), min_size=1, max_size=12).map(tuple), st.integers(1, 9), max_size=12)


@cache
def plain():
    """benchmarks/bpe_reference.py, by path: benchmarks/ is no package."""
    path = Path(__file__).parents[2] / "benchmarks" / "bpe_reference.py"
    spec = importlib.util.spec_from_file_location("bpe_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def trained(pattern="gpt4", special=()):
    return BPETokenizer.train(SPEECH * 3, vocab_size=420, pattern=pattern, special_tokens=special)


PATTERN = pytest.mark.parametrize("pattern", PATTERNS)


def test_bos_is_zero_then_bytes_then_merges_then_special_tokens():
    tokenizer = BPETokenizer.train("ababab", vocab_size=260, special_tokens=["<|user|>", "<|end|>"], min_count=1)
    assert tokenizer.bos_id == 0
    assert tokenizer.tokens[1:257] == tuple(bytes([b]) for b in range(256))
    assert tokenizer.tokens[257:] == (b"ab", b"", b"")
    assert tokenizer.special_ids == {"<|bos|>": 0, "<|user|>": 258, "<|end|>": 259}


def test_the_most_frequent_pair_comes_first_and_the_lowest_of_equals():
    assert learn_merges({(1, 2, 9): 1, (3, 4): 1}, first_id=10, n_merges=3, min_count=1) == [(1, 2), (3, 4), (10, 9)]
    assert learn_merges({(3, 4): 2, (1, 2): 1}, first_id=10, n_merges=1) == [(3, 4)]


def test_the_example_of_the_paper_learns_its_merges():
    """Sennrich et al. 2016, algorithm 1: e s, es t, est ·, l o, lo w. Of its equals ours takes t · before es t."""
    end = 200  # the paper's mark of the end of a word
    counts = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
    words = {(*map(ord, word), end): n for word, n in counts.items()}
    e, s, t, el, o, w = map(ord, "estlow")
    assert learn_merges(words, first_id=300, n_merges=5) == [(e, s), (t, end), (300, 301), (el, o), (303, w)]


@given(WORDS, st.integers(1, 3))
@example({(1, 1, 1): 1, (1, 1, 1, 1): 2}, 1)
@example({(1, 2, 1, 2, 1, 2, 1): 1, (2, 1, 2): 1}, 1)
def test_incremental_counts_learn_what_counting_again_learns(words, min_count):
    arguments = {"first_id": 5, "n_merges": 20, "min_count": min_count}
    assert learn_merges(words, **arguments) == plain().learn_merges_plainly(list(words.items()), **arguments)


@given(st.lists(st.integers(1, 4), max_size=40), WORDS)
def test_the_heap_merges_as_looking_again_does(ids, words):
    merges = learn_merges(words, first_id=5, n_merges=20, min_count=1)
    ranks = {pair: (rank, 5 + rank) for rank, pair in enumerate(merges)}
    assert merge(ids, ranks) == plain().merge_plainly(ids, ranks)


@PATTERN
def test_training_on_text_equals_the_plain_formulation(pattern):
    tokenizer = trained(pattern)
    pieces = Counter(tokenizer._pieces.findall(SPEECH * 3))
    words = [(tuple(b + 1 for b in piece.encode()), n) for piece, n in pieces.items()]
    assert list(tokenizer.merges) == plain().learn_merges_plainly(words, first_id=257, n_merges=420 - 257)


def test_the_order_of_texts_does_not_matter():
    lines = SPEECH.splitlines(keepends=True)
    forward, backward = (BPETokenizer.train(order, vocab_size=400) for order in (lines, lines[::-1]))
    assert forward == backward


@PATTERN
@given(TEXT | LIKE_SPEECH)
def test_decoding_gives_back_any_text(pattern, text):
    tokenizer = trained(pattern)
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode_bytes(ids) == text.encode()


@PATTERN
@given(TEXT | LIKE_SPEECH)
def test_ids_are_in_range_never_bos_and_no_more_than_bytes(pattern, text):
    tokenizer = trained(pattern)
    ids = tokenizer.encode(text)
    assert all(0 < i < tokenizer.vocab_size for i in ids)
    assert len(ids) <= len(text.encode())
    assert tokenizer.token_bytes()[ids].sum() == len(text.encode())


@PATTERN
@given(LIKE_SPEECH, LIKE_SPEECH)
def test_a_text_may_be_cut_after_a_letter_and_before_a_space(pattern, left, right):
    tokenizer = trained(pattern)
    left, right = left + "a", " " + right
    assert tokenizer.encode(left + right) == tokenizer.encode(left) + tokenizer.encode(right)


@PATTERN
@settings(max_examples=50)
@given(st.lists(LIKE_SPEECH, max_size=20).map("".join))
def test_a_text_encoded_in_chunks_has_the_same_ids(pattern, text):
    tokenizer = trained(pattern)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cutting_module.chunks, "__defaults__", (3,))
        in_chunks = tokenizer.encode(text)
    assert in_chunks == tokenizer.encode(text)


@given(TEXT)
def test_an_array_holds_the_same_ids(text):
    ids = trained().encode_array(text)
    assert ids.dtype == np.uint16
    assert ids.tolist() == trained().encode(text)


@given(TEXT | LIKE_SPEECH, st.data())
def test_the_first_ids_of_a_text_are_the_first_bytes_of_it(text, data):
    tokenizer = trained()
    ids = tokenizer.encode(text)
    n = data.draw(st.integers(0, len(ids)))
    assert text.encode().startswith(tokenizer.decode_bytes(ids[:n]))


@given(st.binary())
def test_bytes_that_are_no_text_survive_as_bytes_and_read_as_replacement(raw):
    tokenizer = trained()
    ids = [b + 1 for b in raw]
    assert tokenizer.decode_bytes(ids) == raw
    assert tokenizer.decode(ids) == raw.decode("utf-8", "replace")


@given(st.lists(st.integers(0, 419)))
def test_streaming_gives_the_same_text_as_decoding_at_once(ids):
    tokenizer = trained(special=("<|é|>",))
    assert "".join(tokenizer.decode_stream(ids)) == tokenizer.decode(ids)


@given(TEXT)
def test_streaming_byte_by_byte_never_emits_half_a_character(text):
    tokenizer = trained()
    pieces = list(tokenizer.decode_stream([b + 1 for b in text.encode()]))
    assert pieces == list(text)  # one character each: never U+FFFD, never late


@pytest.mark.parametrize("cut", range(len("é€\U0001f600".encode())))
def test_a_character_cut_at_the_end_reads_as_replacement(cut):
    raw = "é€\U0001f600".encode()[:cut]
    assert "".join(trained().decode_stream([b + 1 for b in raw])) == raw.decode("utf-8", "replace")


def test_streaming_emits_as_soon_as_an_id_has_come():
    tokenizer = trained()
    came = []

    def ids():
        for id_ in tokenizer.encode("Speak, sirs"):
            came.append(id_)
            yield id_

    stream = tokenizer.decode_stream(ids())
    next(stream)
    assert len(came) == 1


def test_special_tokens_are_kept_whole_and_bos_is_not_found_in_text():
    tokenizer = trained(special=("<|user|>", "<|user|>s"))
    user, users = tokenizer.special_ids["<|user|>"], tokenizer.special_ids["<|user|>s"]
    ids = tokenizer.encode("I<|user|>I<|user|>s")
    assert ids == [*tokenizer.encode("I"), user, *tokenizer.encode("I"), users]
    assert tokenizer.decode([0, *ids, 0]) == "I<|user|>I<|user|>s"
    assert 0 not in tokenizer.encode("<|bos|>")
    assert tokenizer.decode(tokenizer.encode("<|bos|>")) == "<|bos|>"


def test_ordinary_encoding_finds_no_special_token():
    tokenizer = trained(special=("<|user|>",))
    ids = tokenizer.encode_ordinary("a<|user|>b")
    assert not set(ids) & set(tokenizer.special_ids.values())
    assert tokenizer.decode(ids) == "a<|user|>b"


def test_special_tokens_are_no_material_for_merges():
    with_mark = BPETokenizer.train("<|x|>".join(["aa"] * 50), vocab_size=300, special_tokens=["<|x|>"])
    assert [token for token in with_mark.tokens[257:] if token] == [b"aa"]


def test_special_tokens_can_be_added_later_and_ids_stay():
    tokenizer = trained()
    grown = tokenizer.with_special_tokens(["<|end|>", "<|bos|>", "<|end|>"])
    assert grown.vocab_size == tokenizer.vocab_size + 1
    assert grown.encode(SPEECH) == tokenizer.encode(SPEECH)
    assert grown.encode("<|end|>") == [tokenizer.vocab_size]


def test_token_bytes_are_zero_for_special_tokens():
    tokenizer = trained(special=("<|end|>",))
    assert tokenizer.token_bytes()[[0, *tokenizer.encode("<|end|>")]].tolist() == [0, 0]


def test_a_vocabulary_larger_than_the_text_allows_is_smaller():
    tokenizer = BPETokenizer.train("abab", vocab_size=10_000)
    assert tokenizer.vocab_size == 258
    assert BPETokenizer.train("", vocab_size=10_000).vocab_size == 257


@pytest.mark.parametrize(
    "text",
    ["a" * 100_000, "ab" * 50_000, " " * 100_000 + "x", "\n" * 100_000, "é" * 50_000, "7" * 100_000, "!" * 100_000],
    ids=["letter", "two letters", "spaces", "lines", "accents", "digits", "marks"],
)
def test_encoding_hostile_text_takes_time_in_proportion(text):
    tokenizer = trained_on_hostile()
    start = time.perf_counter()
    ids = tokenizer.encode(text)
    assert time.perf_counter() - start < 5  # about 0.3 s; merging pair by pair would take minutes
    assert tokenizer.decode(ids) == text


@cache
def trained_on_hostile():
    return BPETokenizer.train(["a" * 1000, "ab" * 1000, " " * 1000, "é" * 1000, "!" * 1000], vocab_size=300)


def test_training_on_one_long_word_takes_time_in_proportion():
    letters = random.Random(7).choices("abcdefgh", k=50_000)
    start = time.perf_counter()
    BPETokenizer.train("".join(letters), vocab_size=600)
    assert time.perf_counter() - start < 5  # about 0.3 s


def test_what_is_remembered_of_earlier_text_changes_nothing(monkeypatch):
    monkeypatch.setattr("nanochat.tokenizers.bpe._REMEMBERED", 3)
    tokenizer = BPETokenizer.train(SPEECH, vocab_size=400)
    first = tokenizer.encode(SPEECH)
    assert tokenizer.encode(SPEECH) == first
    assert len(tokenizer._remembered) <= 3


def test_a_lone_surrogate_is_refused_with_its_position():
    with pytest.raises(TokenizerError, match=r"'\\ud800' at position 3 is a lone surrogate"):
        trained().encode("abc\ud800")
    with pytest.raises(TokenizerError, match="lone surrogate"):
        BPETokenizer.train("abc\ud800", vocab_size=300)


@pytest.mark.parametrize("bad", [-1, 420, 10**9])
def test_decoding_an_id_outside_the_vocabulary_names_it(bad):
    with pytest.raises(TokenizerError, match=f"id {bad} at position 1 is outside 0 to 419"):
        trained().decode([1, bad])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"vocab_size": 256}, "vocab_size=256 has no room .* choose 257 or more"),
        ({"vocab_size": 257, "special_tokens": ["<|a|>"]}, "choose 258 or more"),
        ({"vocab_size": 300, "pattern": "gpt3"}, "pattern='gpt3' is unknown: choose one of gpt2, gpt4"),
        ({"vocab_size": 300, "min_count": 0}, "min_count=0 would merge"),
        ({"vocab_size": 300, "special_tokens": [""]}, "special token '' is empty"),
        ({"vocab_size": 300, "special_tokens": ["\ud800"]}, "is empty or no UTF-8"),
    ],
)
def test_training_refuses_what_makes_no_sense(arguments, sentence):
    with pytest.raises(TokenizerError, match=sentence):
        BPETokenizer.train("some text", **arguments)


@PATTERN
def test_a_tokenizer_survives_json(pattern):
    tokenizer = trained(pattern, ("<|é|>",))
    text = json.dumps(tokenizer.to_dict())
    again = tokenizer_from_dict(json.loads(text))
    assert again == tokenizer
    assert json.dumps(again.to_dict()) == text


@given(st.binary())
def test_spelling_is_visible_and_goes_both_ways(raw):
    spelled = spell(raw)
    assert len(spelled) == len(raw)
    assert not spelled or (spelled.isprintable() and " " not in spelled)
    assert unspell(spelled) == raw


def test_the_alphabet_is_that_of_gpt2():
    assert len(set(ALPHABET)) == 256
    assert spell(b" the\n\x00\x7f\xad\xff") == "ĠtheĊĀġŃÿ"


GOOD = BPETokenizer.train("abab", vocab_size=258).to_dict()
BYTES = GOOD["tokens"][:257]


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({"kind": "bpe"}, r"tokenizer\.\w+ does not fit: field required"),
        (GOOD | {"extra": 1}, r"no setting tokenizer\.extra"),
        (GOOD | {"pattern": "(a+)+$"}, r"tokenizer\.pattern"),
        (GOOD | {"tokens": [*BYTES, "a b"]}, r"token 'a b' holds ' ', which spells no byte"),
        (GOOD | {"tokens": [*BYTES, "\u4e00"]}, "spells no byte"),
        (GOOD | {"tokens": [*BYTES, "\ud800"]}, "does not fit"),
        (GOOD | {"tokens": [*BYTES, 7]}, r"tokenizer\.tokens\.257=7"),
        (GOOD | {"tokens": [*BYTES, "a"]}, "token b'a' has the ids 98 and 257"),
        (GOOD | {"tokens": [*BYTES, ""]}, "id 257 stands for nothing"),
        (GOOD | {"tokens": BYTES[:-1], "merges": []}, r"no token for byte 0xff \(1 of 256"),
        (GOOD | {"tokens": []}, "outside 0 to -1"),
        (GOOD | {"merges": [[1, 2, 3]]}, r"tokenizer\.merges"),
        (GOOD | {"merges": [[98, 999]]}, r"merge 0 joins the ids \(98, 999\), and not both are tokens"),
        (GOOD | {"merges": [[-1, 98]]}, "not both are tokens"),
        (GOOD | {"merges": [[0, 98]]}, "not both are tokens"),
        (GOOD | {"merges": [[98, 98]]}, "merge 0 makes b'aa', which is not in the vocabulary"),
        (GOOD | {"merges": [[98, 99], [98, 99]]}, "merge 1 joins the ids .* a second time"),
        (GOOD | {"merges": [[True, 99]]}, r"tokenizer\.merges"),
        (GOOD | {"special_tokens": {}}, "bos_token='<|bos|>' is not among"),
        (GOOD | {"special_tokens": {"<|bos|>": 1}}, "has id 1, which is a plain token"),
        (GOOD | {"special_tokens": {"<|bos|>": 10**30}}, "outside 0 to 257"),
        (GOOD | {"special_tokens": {"<|bos|>": 0, "<|x|>": 0}}, "two special tokens have the same id"),
        (GOOD | {"special_tokens": {"<|bos|>": 0, "": 0}}, "special token '' is empty"),
        (GOOD | {"special_tokens": {"<|bos|>": "0"}}, r"tokenizer\.special_tokens"),
        (GOOD | {"bos_token": "<s>"}, "bos_token='<s>' is not among"),
    ],
)
def test_a_broken_dictionary_is_refused_by_entry(broken, sentence):
    with pytest.raises(TokenizerError, match=sentence.replace("<|", r"<\|").replace("|>", r"\|>")):
        tokenizer_from_dict(broken)


def test_merges_follow_from_earlier_ones():
    tokenizer = trained()
    for n, (left, right) in enumerate(tokenizer.merges):
        assert max(left, right) < 257 + n
        assert tokenizer.tokens[257 + n] == tokenizer.tokens[left] + tokenizer.tokens[right]
    assert all(pair not in tokenizer._ranks for pair in pairwise(tokenizer.encode("Speak")))
