"""Other people's files: what is written is read back the same, and every unsupported part is refused by its name."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.errors import TokenizerError
from nanochat.tokenizers import BPETokenizer
from nanochat.tokenizers.bpe import PATTERNS
from nanochat.tokenizers.foreign.huggingface import from_gpt2, from_huggingface, to_huggingface
from nanochat.tokenizers.pieces import ALPHABET

TEXT = "It isn't 1,024 low, lower, lowest: naïve 日本語!\n\n" * 3


def trained(pattern="gpt4", special=()):
    return BPETokenizer.train(TEXT, vocab_size=300, pattern=pattern, special_tokens=special)


@pytest.mark.parametrize("pattern", ["gpt2", "gpt4"])
@pytest.mark.parametrize("special", [(), ("<|user|>", "<|fin é|>")])
def test_what_is_written_is_read_back_the_same(pattern, special):
    tokenizer = trained(pattern, special)
    assert from_huggingface(json.loads(json.dumps(to_huggingface(tokenizer)))) == tokenizer


def test_merges_are_read_as_strings_and_as_pairs():
    d = to_huggingface(trained())
    pairs = copy.deepcopy(d)
    pairs["model"]["merges"] = [merge.split(" ") for merge in d["model"]["merges"]]
    assert from_huggingface(pairs) == from_huggingface(d)


def test_a_special_token_spelled_like_a_plain_one_is_refused():
    with pytest.raises(TokenizerError, match="special token '!' is also a plain token"):
        to_huggingface(trained().with_special_tokens(["!"]))


def gpt2_files():
    """A vocabulary as GPT-2's: bytes in the order of its alphabet, merges, the special token last; and its merges."""
    spelled = [*sorted(ALPHABET), "lo", "low", "Ġlow", "kind", "model", "<|endoftext|>"]
    return {token: i for i, token in enumerate(spelled)}, "#version: 0.2\nl o\nlo w\nĠ low\n"


def test_gpt2_files_keep_their_ids():
    vocab, merges = gpt2_files()
    tokenizer = from_gpt2(vocab, merges)
    assert tokenizer.pattern == "gpt2"
    assert tokenizer.bos_id == vocab["<|endoftext|>"] == 261
    assert tokenizer.encode("low low") == [vocab["low"], vocab["Ġlow"]]
    assert tokenizer.decode([261, 257, 258, 261]) == "low low"
    assert tokenizer.encode("!") == [0]
    assert from_gpt2(vocab, merges.replace("\n", "\r\n")) == tokenizer


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda vocab: vocab.pop("<|endoftext|>"), r"no token '<\|endoftext\|>' for the beginning"),
        (lambda vocab: vocab.pop("low"), "merge 2, 'Ġ low', does not name two tokens"),
        (lambda vocab: vocab.update({"low": 0}), "tokens '!' and 'low' have the same id 0"),
        (lambda vocab: vocab.update({"low": -1}), "token 'low' has id -1: ids run from 0"),
        (lambda vocab: vocab.update({"low": 10**15}), "token 'low' has id 1000000000000000"),
        (lambda vocab: vocab.update({"low": "257"}), r"vocab\.json\.vocab\.low='257'"),
        (lambda vocab: vocab.update({"two words": 262}), "token 'two words' holds ' ', which spells no byte"),
    ],
)
def test_a_broken_gpt2_vocabulary_is_refused(change, sentence):
    vocab, merges = gpt2_files()
    change(vocab)
    with pytest.raises(TokenizerError, match=sentence):
        from_gpt2(vocab, merges)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("l", "merge 0, 'l', does not name two tokens"),
        ("l o w", "merge 0, 'l o w', does not name two"),
        ("l xx", "merge 0, 'l xx', does not name two"),
        ("l  o", "merge 0, 'l  o', does not name two"),
        ("a b", "merge 0 makes b'ab', which is not in the vocabulary"),
        ("<|endoftext|> a", "not both are tokens"),
    ],
)
def test_a_broken_line_of_merges_is_refused(line, sentence):
    with pytest.raises(TokenizerError, match=sentence):
        from_gpt2(gpt2_files()[0], f"#version: 0.2\n{line}\n")


def test_the_beginning_is_what_the_caller_says_or_the_only_or_a_usual_name():
    d = to_huggingface(trained(special=("<|x|>", "<|y|>")))
    assert from_huggingface(d, bos_token="<|x|>").bos_token == "<|x|>"
    assert from_huggingface(d).bos_token == "<|bos|>"
    unusual = json.loads(json.dumps(d).replace("<|bos|>", "<|z|>"))
    with pytest.raises(TokenizerError, match=r"none of the 3 special tokens .* name one by bos_token"):
        from_huggingface(unusual)
    with pytest.raises(TokenizerError, match="bos_token='<s>' is not among"):
        from_huggingface(d, bos_token="<s>")
    only = json.loads(json.dumps(to_huggingface(trained())).replace("<|bos|>", "<|z|>"))
    assert from_huggingface(only).bos_token == "<|z|>"


def test_an_added_token_that_the_vocabulary_does_not_list_has_its_own_id():
    d = to_huggingface(trained())
    del d["model"]["vocab"]["<|bos|>"]
    d["added_tokens"].append({"id": trained().vocab_size, "content": "<|x|>"})
    assert from_huggingface(d) == trained().with_special_tokens(["<|x|>"])


GOOD = to_huggingface(trained())
SMALL = to_huggingface(BPETokenizer.train("abab", vocab_size=258))
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
ADDED = GOOD["added_tokens"][0]


TEXT_A = {"Sequence": {"id": "A", "type_id": 0}}
TEXT_B = {"Sequence": {"id": "B", "type_id": 1}}
MARK = {"SpecialToken": {"id": "<|bos|>", "type_id": 0}}


def split(expression="x", *, use_regex=False, **changes):
    pattern = {"Regex": PATTERNS.get(expression, expression)}
    step = {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False} | changes
    return {"type": "Sequence", "pretokenizers": [step, BYTE_LEVEL | {"use_regex": use_regex}]}


def template(single):
    return {"type": "TemplateProcessing", "single": single, "pair": [TEXT_A, MARK, TEXT_B], "special_tokens": {}}


def sequence(name, *steps):
    return {"type": "Sequence", name: list(steps)}


def added(content, id_, **flags):
    return ADDED | {"content": content, "id": id_} | flags


@pytest.mark.parametrize(
    "changes",
    [
        {"truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}},
        {"padding": {"strategy": "BatchLongest", "direction": "Right", "pad_id": 0, "pad_token": "<|bos|>"}},
        {"normalizer": sequence("normalizers")},
        {"normalizer": sequence("normalizers", {"type": "Strip", "strip_left": False, "strip_right": False})},
        {"post_processor": template([TEXT_A])},
        {"post_processor": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False}},
        {"post_processor": sequence("processors", {"type": "ByteLevel"}, template([TEXT_A]))},
        {"post_processor": sequence("processors")},
        {"decoder": sequence("decoders", {"type": "ByteLevel"})},
        {"decoder": sequence("decoders", {"type": "ByteLevel"}, {"type": "Fuse"})},
        {"pre_tokenizer": split("gpt4", behavior="Removed", invert=True)},
        {"pre_tokenizer": split("gpt4", behavior="MergedWithNext")},
        {"pre_tokenizer": sequence("pretokenizers", sequence("pretokenizers"), split("gpt4"))},
        {"added_tokens": [ADDED_BOS := GOOD["added_tokens"][0], ADDED_BOS]},
        {"added_tokens": [GOOD["added_tokens"][0] | {"normalized": True, "special": False}]},
    ],
)
def test_a_part_that_does_nothing_to_ids_is_read_however_it_is_spelled(changes):
    assert from_huggingface(GOOD | changes) == trained()


@pytest.mark.parametrize("steps", [["byte level"], ["split", "byte level"]])
def test_the_split_of_gpt2_may_be_made_twice(steps):
    parts = {"byte level": BYTE_LEVEL | {"use_regex": True}, "split": split("gpt2")["pretokenizers"][0]}
    part = sequence("pretokenizers", *[parts[name] for name in steps])
    assert from_huggingface(to_huggingface(trained("gpt2")) | {"pre_tokenizer": part}) == trained("gpt2")


def test_normalized_tokens_that_overlap_with_none_of_the_others_are_read():
    mixed = [ADDED, added("<a>", 300), added("b<a", 301, normalized=True), added("<a>>", 302)]
    with pytest.raises(TokenizerError, match=r"added_tokens\.2\.normalized=True"):
        from_huggingface(GOOD | {"added_tokens": mixed})
    mixed[2] = added("<b>", 301, normalized=True)
    assert from_huggingface(GOOD | {"added_tokens": mixed}).encode("<b><a>>") == [301, 302]


def test_ids_without_a_token_are_kept_and_written_as_a_gap():
    size = trained().vocab_size
    tokenizer = from_huggingface(GOOD | {"added_tokens": [ADDED, added("<x>", size + 2)]})
    assert (tokenizer.vocab_size, tokenizer.unused_ids) == (size + 3, (size, size + 1))
    assert tokenizer.encode("<x>low") == [size + 2, *trained().encode("low")]
    assert tokenizer.decode([size, size + 2]) == "<x>"
    assert from_huggingface(json.loads(json.dumps(to_huggingface(tokenizer)))) == tokenizer
    assert BPETokenizer.from_dict(tokenizer.to_dict()) == tokenizer
    assert "unused_ids" not in trained().to_dict()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"truncation": 8}, "truncation=8 .* is not supported"),
        ({"padding": "BatchLongest"}, "padding="),
        ({"normalizer": {"type": "NFC"}}, "normalizer={'type': 'NFC'} of this tokenizer.json is not supported"),
        ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]}}, "normalizer={'type': 'NFC'}"),
        ({"normalizer": {"type": "Strip", "strip_left": True, "strip_right": False}}, "normalizer="),
        ({"post_processor": template([MARK, TEXT_A])}, "post_processor="),
        ({"post_processor": template([TEXT_A, TEXT_A])}, "post_processor="),
        ({"post_processor": {"type": "Sequence", "processors": [template([TEXT_A, MARK])]}}, "post_processor="),
        ({"decoder": {"type": "Sequence", "decoders": []}}, "decoder="),
        ({"pre_tokenizer": split("gpt4", use_regex=True)}, "after a split of gpt4 only false is read"),
        ({"pre_tokenizer": split("gpt4", behavior="Removed", invert=False)}, "behavior='Removed'"),
        ({"added_tokens": [ADDED, ADDED | {"id": 7}]}, r"added_tokens\.1: '<\|bos\|>' has the ids 0 and 7"),
        ({"added_tokens": [ADDED, added("z", GOOD["model"]["vocab"]["z"])]}, "special token 'z' is also a byte"),
        ({"added_tokens": [ADDED, added("ow", 258)]}, "special token 'ow' is also what merge 1 makes"),
        (
            {"added_tokens": [ADDED, added("bc", 300), added("abc", 301, normalized=True)]},
            r"added_tokens\.2\.normalized",
        ),
        (
            {"added_tokens": [ADDED, added("bcd", 300), added("abc", 301, normalized=True)]},
            r"added_tokens\.2\.normalized",
        ),
        ({"novelty": 1}, "novelty=1 of this"),
        ({"version": "2.0"}, "version='2.0' of this tokenizer.json is not supported: only 1.0 is read"),
        ({"decoder": {"type": "WordPiece"}}, "decoder="),
        ({"decoder": "ByteLevel"}, "decoder='ByteLevel'"),
        ({"decoder": None}, "decoder=None"),
        ({"post_processor": {"type": "TemplateProcessing"}}, "post_processor="),
        ({"pre_tokenizer": None}, "pre_tokenizer=None"),
        ({"pre_tokenizer": "ByteLevel"}, "pre_tokenizer='ByteLevel'"),
        ({"pre_tokenizer": {"type": "Metaspace"}}, "pre_tokenizer={'type': 'Metaspace'}"),
        ({"pre_tokenizer": {"type": "ByteLevel"}}, "add_prefix_space=None"),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}, "add_prefix_space=True"),
        ({"pre_tokenizer": BYTE_LEVEL}, "only ByteLevel, or Split and then ByteLevel"),
        ({"pre_tokenizer": {"type": "Sequence"}}, "a Sequence has a list of pretokenizers"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": []}}, "only ByteLevel, or Split"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [7, BYTE_LEVEL]}}, "only ByteLevel, or Split"),
        ({"pre_tokenizer": split()}, "pre_tokenizer.pattern={'Regex': 'x'} .* only the splits of gpt2 and gpt4"),
        ({"pre_tokenizer": split(pattern={"Regex": ["x"]})}, "pre_tokenizer.pattern"),
        ({"pre_tokenizer": split(pattern="x")}, "pre_tokenizer.pattern"),
        ({"pre_tokenizer": split(behavior="Removed")}, "behavior='Removed'"),
        ({"pre_tokenizer": split(behavior="Contiguous")}, "behavior='Contiguous'"),
        ({"model": None}, "model.type=None"),
        ({"model": "BPE"}, "model.type=None"),
        ({"added_tokens": {"a": 1}}, "added_tokens={'a': 1}"),
        ({"added_tokens": [7]}, r"added_tokens\.0=7"),
        ({"added_tokens": [ADDED | {"id": "0"}]}, r"added_tokens\.0\.id='0'"),
        ({"added_tokens": [ADDED | {"id": 1}]}, r"special token '<\|bos\|>' has id 1 and, in the vocabulary, 0"),
        ({"added_tokens": [ADDED | {"lstrip": True}]}, r"added_tokens\.0\.lstrip=True"),
        ({"added_tokens": [ADDED | {"single_word": True}]}, r"added_tokens\.0\.single_word=True"),
        ({"added_tokens": [ADDED | {"odd": True}]}, r"no setting added_tokens\.0\.odd"),
        ({"added_tokens": [ADDED, ADDED | {"content": "<x>"}]}, "have the same id 0"),
        ({"added_tokens": [ADDED, ADDED | {"content": "\ud800", "id": 300}]}, r"added_tokens\.1\."),
        ({"added_tokens": None}, "none of the 0 special tokens"),
    ],
)
def test_an_unsupported_part_is_refused_by_name(changes, sentence):
    with pytest.raises(TokenizerError, match=sentence):
        from_huggingface(GOOD | changes)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"type": "Unigram"}, "model.type='Unigram'"),
        ({"type": "WordPiece"}, "only BPE is read"),
        ({"dropout": 0.1}, "model.dropout=0.1"),
        ({"continuing_subword_prefix": "##"}, "model.continuing_subword_prefix='##'"),
        ({"end_of_word_suffix": "</w>"}, "model.end_of_word_suffix"),
        ({"byte_fallback": True}, "model.byte_fallback=True"),
        ({"ignore_merges": True}, "model.ignore_merges=True"),
        ({"max_input_chars_per_word": 100}, "model.max_input_chars_per_word=100"),
        ({"vocab": ["a", "b"]}, r"model\.vocab"),
        ({"vocab": {"a": 0.5}}, r"model\.vocab\.a=0\.5"),
        ({"merges": {"a": "b"}}, r"model\.merges"),
        ({"merges": [["a", "b", "c"]]}, r"model\.merges\.0"),
        ({"merges": [7]}, r"model\.merges\.0"),
        ({"merges": ["a"]}, "merge 0, 'a', does not name two tokens"),
    ],
)
def test_an_unsupported_model_is_refused_by_name(changes, sentence):
    with pytest.raises(TokenizerError, match=sentence):
        from_huggingface(GOOD | {"model": GOOD["model"] | changes})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_whatever_a_file_holds_it_is_read_or_refused(data):
    d = copy.deepcopy(SMALL)
    for _ in range(data.draw(st.integers(1, 3))):
        part = d
        while True:
            keys = list(part) if isinstance(part, dict) else list(range(len(part)))
            key = data.draw(st.sampled_from(keys))
            inner = part[key]
            if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
                break
            part = inner
        part[key] = data.draw(JSON)
    try:
        tokenizer = from_huggingface(d)
    except TokenizerError:
        return
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT


def test_old_files_without_the_type_of_the_model_are_read():
    model = {name: GOOD["model"][name] for name in ("vocab", "merges")}
    assert from_huggingface(GOOD | {"model": model}) == trained()
