"""Laws of taking over weights: the same vocabulary is the identity, a permuted one permutes, a larger one keeps."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat.errors import ConfigError
from nanochat.inference.language_model import LanguageModel
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.tokenizers import BPETokenizer, CharTokenizer, WordTokenizer
from nanochat.training.transfer import pair_tokens, tokens_of, transfer

BIASED = GPTConfig(block_size=6, n_embd=8, n_head=2, zero_init_proj=False, tie_lm_head=False, head_bias=True)
TIED = GPTConfig(block_size=6, n_embd=8, n_head=2, zero_init_proj=False)
SQUARE = BigramConfig(tie_lm_head=False, init_scale=1.0, input_rmsnorm=True)
TIED_SQUARE = BigramConfig(init_scale=1.0)
CONFIGS = {"untied, bias": BIASED, "tied": TIED, "bigram": SQUARE, "tied bigram": TIED_SQUARE}


def language_model(tokenizer, config=BIASED, *, seed=0, mode="tensor") -> LanguageModel:
    config = replace(config, vocab_size=tokenizer.vocab_size)
    model = build_model(config, mode, "float64")
    rng = np.random.default_rng(seed)
    model.load_state_dict({name: rng.normal(size=array.shape) for name, array in weights(config).items()})
    kind = "bigram" if isinstance(config, BigramConfig) else "gpt"
    return LanguageModel(model, tokenizer, config, kind, mode, stops_at_bos=True)


def weights(config):
    return draw_weights(config.parameters(), np.random.default_rng(0))


def transferred(target, source, pattern="*"):
    return transfer(target.model, target.config, target.tokenizer, source.snapshot(), pattern)


def with_words(*tokens, special=()):
    return WordTokenizer((*special, *tokens), special)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("mode", ["tensor", "scalar"])
def test_with_the_same_vocabulary_every_weight_is_taken_as_it_is(config, mode):
    tokenizer = CharTokenizer("abc")
    source, target = (language_model(tokenizer, config, seed=seed, mode=mode) for seed in (1, 2))
    report = transferred(target, source)
    assert (set(report.loaded), report.remapped, report.skipped) == (set(source.config.parameters()), (), {})
    np.testing.assert_array_equal(target.logits([0, 2, 1]), source.logits([0, 2, 1]))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@given(order=st.permutations(range(5)))
def test_a_permuted_vocabulary_permutes_the_rows_and_the_logits(config, order):
    words = ["the", "cat", ",", "sat", "mat"]
    source = language_model(with_words(*words), config, seed=1)
    target = language_model(with_words(*(words[i] for i in order)), config, seed=2)
    report = transferred(target, source)
    there = np.array([0, *(i + 1 for i in order)])  # id in the source of each id of the target
    assert report.skipped == {}
    assert report.n_tokens == 6
    ids = [0, 3, 5, 1]
    expected = source.logits([int(there[i]) for i in ids])[:, there]
    np.testing.assert_allclose(target.logits(ids), expected, rtol=0, atol=1e-12)  # sums in another order


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_larger_vocabulary_keeps_what_the_old_tokens_do(config):
    source, target = language_model(CharTokenizer("bd"), config, seed=1), language_model(CharTokenizer("abcd"), config)
    report = transferred(target, source)
    assert report.n_tokens == 3
    assert report.skipped == {}
    assert set(report.remapped) == {name for name in target.config.parameters() if name.startswith(("wte", "lm_head"))}
    if not getattr(config, "input_rmsnorm", False):  # the mean of squares of a longer row is another
        after = target.logits([0, 2, 4])[:, [0, 2, 4]]
        np.testing.assert_allclose(after, source.logits([0, 1, 2]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_rows_of_new_tokens_are_left_as_they_were(config):
    source, target = language_model(CharTokenizer("bd"), config, seed=1), language_model(CharTokenizer("abcd"), config)
    before = target.model.state_dict()
    for name in transferred(target, source).remapped:
        after = target.model.state_dict()[name]
        np.testing.assert_array_equal(after[[1, 3]], before[name][[1, 3]])
        assert not np.array_equal(after[[0, 2, 4]], before[name][[0, 2, 4]])


def test_a_smaller_vocabulary_takes_its_rows():
    source, target = language_model(CharTokenizer("abcd"), seed=1), language_model(CharTokenizer("ac"), seed=2)
    transferred(target, source)
    for name in ("wte.weight", "lm_head.weight", "lm_head.bias"):
        np.testing.assert_array_equal(target.model.state_dict()[name], source.model.state_dict()[name][[0, 1, 3]])


def test_a_pattern_takes_what_it_names_and_says_what_it_left():
    tokenizer = CharTokenizer("ab")
    source, target = language_model(tokenizer, seed=1), language_model(tokenizer, seed=2)
    before = target.model.state_dict()
    report = transferred(target, source, "h.0.*")
    assert report.loaded
    assert all(name.startswith("h.0.") for name in report.loaded)
    assert report.skipped["wte.weight"] == "it does not match h.0.*"
    np.testing.assert_array_equal(target.model.state_dict()["wte.weight"], before["wte.weight"])


def test_a_pattern_that_matches_nothing_is_refused_with_the_names():
    model = language_model(CharTokenizer("ab"))
    with pytest.raises(ConfigError, match=r"--partial 'layer\*' matches no weight of the model: it has wte.weight, "):
        transferred(model, model, "layer*")


def test_what_does_not_fit_is_skipped_with_the_reason():
    source = language_model(CharTokenizer("ab"), replace(BIASED, block_size=4), seed=1)
    target = language_model(CharTokenizer("abc"), replace(TIED, n_layer=2, n_embd=8, mlp_width=6), seed=2)
    before = target.model.state_dict()
    report = transferred(target, source)
    assert report.skipped["wpe.weight"] == "it has shape (4, 8) in the source, the model has (6, 8)"
    assert report.skipped["h.1.attn.qkv.weight"] == "the source has no such weight"
    assert report.skipped["lm_head.bias"] == "the model has no such weight"
    assert report.skipped["h.0.mlp.fc.weight"] == "it has shape (32, 8) in the source, the model has (6, 8)"
    assert report.remapped == ("wte.weight",)
    assert set(report.loaded) == {"h.0.attn.qkv.weight", "h.0.attn.proj.weight"}
    for name in report.skipped.keys() & before.keys():
        np.testing.assert_array_equal(target.model.state_dict()[name], before[name])


def test_rows_of_another_width_are_skipped():
    source = language_model(CharTokenizer("ab"), replace(TIED, n_embd=4), seed=1)
    target = language_model(CharTokenizer("abc"), TIED, seed=2)
    reason = transferred(target, source).skipped["wte.weight"]
    assert reason == "it has shape (3, 4) in the source, the model has (4, 8)"


def test_a_bigram_gives_no_rows_to_a_transformer():
    source = language_model(CharTokenizer("abcdef"), TIED_SQUARE, seed=1)
    target = language_model(CharTokenizer("abcdefg"), TIED, seed=2)
    assert "wte.weight" in transferred(target, source).skipped


@given(text=st.text(st.characters(codec="utf-8"), min_size=1), seed=st.integers(0, 2**32))
def test_each_id_of_each_tokenizer_stands_for_something_else(text, seed):
    rng = random.Random(seed)
    special = ["<|user|>", "<|end|>"][: rng.randrange(3)]
    unknown = rng.choice(["error", "unk"])
    kinds = [
        CharTokenizer.train(text, unknown=unknown),
        WordTokenizer.train(f"{text} word", special_tokens=special, unknown=unknown),
        BPETokenizer.train(text, vocab_size=300, special_tokens=special),
    ]
    for tokenizer in kinds:
        tokens = tokens_of(tokenizer)
        assert len(set(tokens)) == len(tokens) == tokenizer.vocab_size
        assert tokens[tokenizer.bos_id] == ("bos", b"")
        assert {
            ("special", name.encode()) for name in getattr(tokenizer, "special_ids", {}) if name != "<|bos|>"
        } <= set(tokens)
        ours, theirs = pair_tokens(tokenizer, tokenizer)
        assert list(ours) == list(theirs) == list(range(tokenizer.vocab_size))


def test_an_id_that_stands_for_nothing_is_no_unknown_word():
    padded, words = BPETokenizer.train("", vocab_size=257).padded(259), WordTokenizer.train("a b", unknown="unk")
    assert tokens_of(padded)[257:] == [("unused", b"257"), ("unused", b"258")]
    assert not {("unused", b"257"), ("unused", b"258")} & set(tokens_of(words))


def test_tokenizers_of_different_kinds_meet_where_they_spell_the_same():
    char, bpe = CharTokenizer("aé"), BPETokenizer.train("é" * 9, vocab_size=258)
    ours, theirs = pair_tokens(char, bpe)
    assert [(char.decode([i]), bpe.decode([j])) for i, j in zip(ours, theirs, strict=True)] == [
        ("", ""),
        ("a", "a"),
        ("é", "é"),
    ]


def test_special_tokens_meet_by_name_and_never_a_word_of_the_same_letters():
    marked = with_words("a", special=("</s>",))
    assert tokens_of(marked) == [("bos", b""), ("special", b"</s>"), ("text", b"a")]
    bpe = BPETokenizer.train("a", vocab_size=258, special_tokens=["</s>"])
    assert pair_tokens(marked, bpe)[1].tolist() == [0, bpe.special_ids["</s>"], 98]


def test_the_mark_of_the_beginning_meets_whatever_its_name():
    other = BPETokenizer.train("a", vocab_size=257)
    renamed = replace(other, special_tokens={"<|endoftext|>": 0}, bos_token="<|endoftext|>")
    assert pair_tokens(other, renamed)[0].tolist() == list(range(257))
