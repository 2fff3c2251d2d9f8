"""Byte pair encoding beside `tiktoken` and Hugging Face's `tokenizers`, fed with our merges, on 20,000 strings.

The strings are drawn from a fixed seed: prose cut anywhere, contractions, numbers, white space of every kind, scripts
with and without spaces, emoji, control characters, single code points of all planes.
"""

import json
import random
import unicodedata
from functools import cache

import pytest

from nanochat.data.builtin import read_builtin
from nanochat.tokenizers import BPETokenizer, load_tokenizer, save_tokenizer
from nanochat.tokenizers.bpe import PATTERNS
from nanochat.tokenizers.pieces import spell

pytestmark = pytest.mark.oracle

N_STRINGS = 20_000
SPECIAL = ("<|user|>", "<|end of turn|>")
SCRIPTS = [
    "abcXYZ",
    "äöüßéñ",
    "абвгд",
    "αβγ",
    "אבג",
    "عربية",
    "日本語漢字",
    "ひらカタ",
    "한국어",
    "ไทย",
    "हिन्दी",
    "0123456789",
    "٣५Ⅷ½²",
]
SNIPPETS = [
    *("'s 'S 't 're 've 'm 'll 'LL 'd 'ſ ’s don't I'Ve we'LL '' '".split()),
    *("1 12 123 1234 12345 3.14 1,000 0x1F -7".split()),
    *(
        " ",
        "  ",
        "   ",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "\t",
        " \n",
        "\n ",
        "\u00a0",
        "\u3000",
        "\u2028",
        "\x85",
        "\v",
        "\f",
    ),
    *("! ... ?! -- — … ( ) [ ] { } <|user|> <|user <|end <|bos| |>".split()),
    *("\x00", "\x1c", "\x1f", "\x7f", "\ufeff", "\u200b", "\u200d", "\u0301", "\ufffd", "\U0010ffff"),
    *("\U0001f600", "\U0001f468\u200d\U0001f469", "\U0001f1e9\U0001f1ea", "#\ufe0f\u20e3", "\U0001d400"),
]
PATTERN = pytest.mark.parametrize("pattern", PATTERNS)


@cache
def corpus():
    return read_builtin("verse")


@cache
def strings():
    rng = random.Random(1337)
    kinds = [_prose, _snippets, _snippets, _mixed, _code_points, _repeated]
    return [rng.choice(kinds)(rng) for _ in range(N_STRINGS)]


def _prose(rng):
    start = rng.randrange(len(corpus()) - 80)
    return corpus()[start : start + rng.randrange(80)]


def _snippets(rng):
    return "".join(rng.choices(SNIPPETS, k=rng.randrange(12)))


def _mixed(rng):
    words = ["".join(rng.choices(rng.choice(SCRIPTS), k=rng.randrange(1, 8))) for _ in range(rng.randrange(6))]
    return "".join(word + rng.choice(SNIPPETS) for word in words)


def _code_points(rng):
    """Assigned ones: what a code point is, before it is assigned, differs between versions of Unicode."""
    points = (chr(rng.randrange(0x20000)) for _ in range(rng.randrange(12)))
    return "".join(ch for ch in points if unicodedata.category(ch) not in ("Cn", "Cs"))


def _repeated(rng):
    return rng.choice(SNIPPETS) * rng.randrange(40) + rng.choice(["", "x"])


@cache
def ours(pattern):
    return BPETokenizer.train([corpus(), *strings()[:2000]], vocab_size=1500, pattern=pattern, special_tokens=SPECIAL)


@cache
def our_ids(pattern):
    return [ours(pattern).encode(text) for text in strings()]


def first_difference(theirs, pattern):
    """The first string whose ids differ, for the message; None if all are equal."""
    assert len(theirs) == N_STRINGS
    pairs = zip(strings(), our_ids(pattern), theirs, strict=True)
    return next(((text, mine, other) for text, mine, other in pairs if mine != other), None)


@PATTERN
def test_ids_equal_those_of_tiktoken(pattern):
    tiktoken = pytest.importorskip("tiktoken")
    tokenizer = ours(pattern)
    ranks = {token: id_ for id_, token in enumerate(tokenizer.tokens) if token}
    special = tokenizer.special_ids
    other = tiktoken.Encoding("ours", pat_str=PATTERNS[pattern], mergeable_ranks=ranks, special_tokens=special)
    theirs = other.encode_batch(list(strings()), allowed_special=set(SPECIAL), disallowed_special=(), num_threads=1)
    assert first_difference(theirs, pattern) is None
    plain = other.encode_ordinary_batch(list(strings()[:2000]), num_threads=1)
    assert plain == [tokenizer.encode_ordinary(text) for text in strings()[:2000]]


@PATTERN
def test_ids_equal_those_of_tokenizers_that_read_our_file(pattern, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    save_tokenizer(ours(pattern), tmp_path / "tokenizer.json", form="huggingface")
    other = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert other.get_vocab_size() == ours(pattern).vocab_size
    theirs = other.encode_batch(list(strings()))
    assert first_difference([encoding.ids for encoding in theirs], pattern) is None
    for mine, text in zip(our_ids(pattern)[:2000], strings(), strict=False):
        assert other.decode(mine, skip_special_tokens=False) == text == ours(pattern).decode(mine)


@PATTERN
def test_tokenizers_learns_the_same_merges(pattern):
    """As a set: of equally frequent pairs it takes the lowest by its own ids, whose order of bytes is another."""
    tokenizers = pytest.importorskip("tokenizers")
    other = tokenizers.Tokenizer(tokenizers.models.BPE())
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(PATTERNS[pattern]), "isolated")
    as_bytes = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    other.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([split, as_bytes])
    mine = BPETokenizer.train(corpus(), vocab_size=5000, pattern=pattern, min_count=5)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=5000, min_frequency=5, initial_alphabet=as_bytes.alphabet(), show_progress=False
    )
    other.train_from_iterator([corpus()], trainer)
    theirs = {tuple(pair) for pair in json.loads(other.to_str())["model"]["merges"]}
    assert theirs == {(spell(mine.tokens[left]), spell(mine.tokens[right])) for left, right in mine.merges}
    assert mine.vocab_size < 5000  # every pair that occurs five times: no cut among equals


def test_a_file_that_tokenizers_trained_and_saved_gives_the_same_ids(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    other = tokenizers.Tokenizer(tokenizers.models.BPE())
    other.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    other.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=["<|endoftext|>", "<|user|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    other.train_from_iterator([corpus()], trainer)
    other.save(str(tmp_path / "tokenizer.json"))
    mine = load_tokenizer(tmp_path)
    assert mine.bos_id == other.token_to_id("<|endoftext|>")
    texts = strings()[:3000]
    assert [mine.encode(text) for text in texts] == [e.ids for e in other.encode_batch(list(texts))]


def test_gpt2_files_that_tokenizers_saved_give_the_same_ids(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    other = tokenizers.ByteLevelBPETokenizer(add_prefix_space=False)
    other.train_from_iterator([corpus()], vocab_size=1000, special_tokens=["<|endoftext|>"], show_progress=False)
    other.save_model(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["merges.txt", "vocab.json"]
    mine = load_tokenizer(tmp_path)
    texts = strings()[:3000]
    assert [mine.encode(text) for text in texts] == [e.ids for e in other.encode_batch(list(texts))]


def test_a_file_of_tokenizers_with_its_newest_spelling_is_ours_again(tmp_path):
    """`tokenizers` writes merges as pairs and adds fields of its own."""
    tokenizers = pytest.importorskip("tokenizers")
    save_tokenizer(ours("gpt4"), tmp_path / "a.json", form="huggingface")
    tokenizers.Tokenizer.from_file(str(tmp_path / "a.json")).save(str(tmp_path / "b.json"))
    assert isinstance(json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))["model"]["merges"][0], list)
    assert load_tokenizer(tmp_path / "b.json") == ours("gpt4")


SIZED = BPETokenizer.train("low lower lowest", vocab_size=260, pattern="gpt2")
MARKED = BPETokenizer(SIZED.tokens, SIZED.merges, {"<|endoftext|>": 0}, "<|endoftext|>", "gpt2")
FLAGS = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True}
BESIDE = {
    "added": {"added_tokens": {"<pad>": 260}},
    "mapped": {"special_tokens_map": {"pad_token": "<pad>"}},
    "several": {
        "tokenizer_config": {"additional_special_tokens": ["<x>"], "pad_token": "<pad>", "sep_token": "<s>"},
    },
    "decoded": {"tokenizer_config": {"added_tokens_decoder": {"260": FLAGS | {"content": "<pad>"}}}},
    "both": {
        "added_tokens": {"<pad>": 260},
        "tokenizer_config": {"pad_token": "<pad>", "extra_special_tokens": ["<x>"]},
    },
    "a word": {"special_tokens_map": {"eos_token": "lowest!"}},
}


@pytest.mark.parametrize("layout", ["tokenizer.json", "vocab.json"])
@pytest.mark.parametrize("name", BESIDE)
def test_files_beside_a_tokenizer_mean_what_they_mean_to_transformers(name, layout, tmp_path):
    transformers = pytest.importorskip("transformers")
    if layout == "tokenizer.json":
        save_tokenizer(MARKED, tmp_path / layout, form="huggingface")
    else:
        vocab = {spell(token) or "<|endoftext|>": id_ for id_, token in enumerate(MARKED.tokens)}
        lines = [f"{spell(MARKED.tokens[a])} {spell(MARKED.tokens[b])}" for a, b in MARKED.merges]
        (tmp_path / layout).write_text(json.dumps(vocab), encoding="utf-8")
        (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *lines, ""]), encoding="utf-8")
    for file, content in BESIDE[name].items():
        (tmp_path / f"{file}.json").write_text(json.dumps(content), encoding="utf-8")
    theirs = transformers.GPT2Tokenizer.from_pretrained(tmp_path, local_files_only=True)
    mine = load_tokenizer(tmp_path)
    text = "low<pad>lowest!<x>z<s> lower"
    assert (mine.vocab_size, mine.encode(text)) == (len(theirs), theirs(text)["input_ids"])


@PATTERN
def test_a_tokenizer_goes_to_transformers_and_back(pattern, tmp_path):
    transformers = pytest.importorskip("transformers")
    save_tokenizer(ours(pattern), tmp_path / "tokenizer.json", form="huggingface")
    theirs = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(tmp_path / "tokenizer.json"), bos_token="<|bos|>", eos_token="<|bos|>", pad_token="<|user|>"
    )
    theirs(["a", "low lower"], padding=True, truncation=True, max_length=3)  # leaves its settings in the file
    theirs.save_pretrained(tmp_path / "saved")
    assert load_tokenizer(tmp_path / "saved") == ours(pattern)


@pytest.mark.parametrize(
    "changes",
    [
        {"behavior": "Removed", "invert": True},
        {"behavior": "MergedWithPrevious"},
        {"behavior": "MergedWithNext", "invert": True},
    ],
)
def test_a_split_that_is_told_otherwise_and_keeps_all_is_the_same_split(changes, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    save_tokenizer(ours("gpt4"), tmp_path / "tokenizer.json", form="huggingface")
    content = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    content["pre_tokenizer"]["pretokenizers"][0] |= changes
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    other = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert load_tokenizer(tmp_path) == ours("gpt4")
    assert first_difference([encoding.ids for encoding in other.encode_batch(list(strings()))], "gpt4") is None
