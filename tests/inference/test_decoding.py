"""Every way to get text out of one model: drawn, drawn in batches, searched, and beside its alternatives."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat.errors import GuardError, TokenizerError, UsageError
from nanochat.inference.alternatives import token_name
from nanochat.inference.decoding import kind_of
from nanochat.inference.language_model import LanguageModel
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.tokenizers import BPETokenizer, CharTokenizer, WordTokenizer

TOKENIZERS = {
    "char": CharTokenizer("abcdef"),
    "word": WordTokenizer.train("I don't know ' what, is it?", special_tokens=["<|end|>"]),
    "bpe": BPETokenizer.train("aé€", vocab_size=258, special_tokens=["<|end|>"]),
}
OPTIONS = [{"temperature": 0}, {"temperature": 1.2, "top_k": 5}, {"top_p": 0.9, "repetition_penalty": 1.3}]


def built(kind: str = "char", mode: str = "tensor", *, documents: bool = True) -> LanguageModel:
    tokenizer = TOKENIZERS[kind]
    config = GPTConfig(
        vocab_size=tokenizer.vocab_size, block_size=8, n_embd=4, n_head=2, zero_init_proj=False, init_scale=0.5
    )
    model = build_model(config, mode, "float64")
    model.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(5)))
    return LanguageModel(model, tokenizer, config, "gpt", mode, stops_at_bos=documents)


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
@pytest.mark.parametrize("kind", ["char", "word"])
@pytest.mark.parametrize("options", OPTIONS)
def test_a_batch_gives_each_prompt_what_it_gets_alone(mode, kind, options):
    model = built(kind, mode)
    prompts = [model.tokenizer.decode(ids) for ids in ([], [4, 5, 6], [5], [], [6, 4])]
    together = list(model.generate_batch(prompts, seed=3, max_new_tokens=12, **options))
    alone = [
        model.generate(prompt, seed=np.random.default_rng([3, i]), max_new_tokens=12, **options)
        for i, prompt in enumerate(prompts)
    ]
    assert together == alone
    assert list(model.generate_batch(prompts, seed=3, max_new_tokens=12, batch_size=2, **options)) == alone


# What a stream shows is what a batch gives, wherever the stop string lies over tokens and held-back apostrophes.
@settings(max_examples=settings().max_examples // 2)
@given(st.sampled_from(sorted(TOKENIZERS)), st.integers(0, 99), st.integers(0, 20), st.integers(1, 4))
def test_a_stop_string_ends_stream_and_batch_at_the_same_place(kind, seed, start, length):
    model = built(kind, documents=False)
    options = {"max_new_tokens": 12, "temperature": 2.0}
    whole = model.generate(seed=np.random.default_rng([seed, 0]), **options)
    stop = whole[start : start + length] or "x"
    streamed = "".join(model.stream(seed=np.random.default_rng([seed, 0]), stop=[stop], **options))
    assert streamed == (whole[: whole.index(stop)] if stop in whole else whole)
    assert list(model.generate_batch([""], seed=seed, stop=[stop], **options)) == [streamed]


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
@pytest.mark.parametrize("documents", [True, False])
def test_a_beam_of_one_is_greedy_text(mode, documents):
    model = built(mode=mode, documents=documents)
    ((text, score),) = model.beam("ab", width=1, max_new_tokens=15)
    assert text == model.generate("ab", temperature=0, max_new_tokens=15)
    assert score < 0


def test_a_beam_ends_before_a_stop_string():
    model = built(documents=False)
    stop = model.generate("ab", temperature=0, max_new_tokens=6)[4:6]
    ((text, _),) = model.beam("ab", width=1, max_new_tokens=12, stop=[stop])
    assert text == model.generate("ab", temperature=0, max_new_tokens=12, stop=[stop])
    assert all(stop not in text[2:] for text, _ in model.beam("ab", width=4, max_new_tokens=12, stop=[stop]))


def test_alternatives_are_the_models_own_probabilities():
    model = built()
    options = {"temperature": 2.0, "top_k": 4, "seed": 6, "max_new_tokens": 5}
    choices = list(model.alternatives("ab", n=3, **options))
    ids = [0, *TOKENIZERS["char"].encode("ab")]
    for choice in choices:
        z = model.logits(ids)[-1]
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        assert [one.id for one in choice.likeliest] == np.argsort(-p, kind="stable")[:3].tolist()
        assert [one.p for one in (choice.drawn, *choice.likeliest)] == pytest.approx(
            [p[one.id] for one in (choice.drawn, *choice.likeliest)]
        )
        ids.append(choice.drawn.id)
    assert "ab" + "".join(one.drawn.text for one in choices if one.drawn.id) == model.generate("ab", **options)


def test_alternatives_show_the_end_and_stop_where_the_text_does():
    ends = [list(built().alternatives(seed=seed, max_new_tokens=50))[-1].drawn.text for seed in range(6)]
    assert "<|bos|>" in ends
    model = built(documents=False)
    text = model.generate("a", seed=1, max_new_tokens=9)
    choices = list(model.alternatives("a", seed=1, max_new_tokens=9, stop=[text[3:5]]))
    assert "".join(one.drawn.text for one in choices) == text[1 : text.index(text[3:5], 1) + 2]
    assert all(one.id for choice in choices for one in choice.likeliest)  # BOS is never drawn here


@pytest.mark.parametrize(
    ("kind", "id_", "name"),
    [
        ("char", 0, "<|bos|>"),
        ("char", 1, "a"),
        ("word", 1, "<|end|>"),
        ("bpe", 257, "<|end|>"),
        ("bpe", 0xE2, "\ufffd"),
    ],
)
def test_a_token_has_a_name_of_its_own(kind, id_, name):
    assert token_name(TOKENIZERS[kind], id_) == name


@pytest.mark.parametrize("documents", [True, False])
def test_a_prompt_of_unknown_words_only_follows_the_policy(documents):
    model = built("word", documents=documents)
    with pytest.raises(TokenizerError, match="word 'Quito' at position 0"):
        model.generate("Quito Bogota")
    skipping = replace(model, tokenizer=replace(model.tokenizer, unknown="skip"))
    options = {"seed": 1, "max_new_tokens": 6}
    begun = model.generate("", **options)
    assert skipping.generate("Quito Bogota", **options) == "Quito Bogota " + begun
    assert skipping.generate("Quito\n", **options) == "Quito\n" + begun
    assert list(skipping.generate_batch(["Quito", ""], **options)) == [
        prompt + model.generate("", seed=np.random.default_rng([1, i]), max_new_tokens=6)
        for i, prompt in enumerate(["Quito ", ""])
    ]


def test_nothing_asked_for_is_the_prompt():
    model = built()
    assert model.generate("ab", max_new_tokens=0) == "ab"
    assert list(model.generate_batch(["ab", ""], max_new_tokens=0)) == ["ab", ""]
    assert model.beam("ab", max_new_tokens=0) == [("ab", 0.0)]
    assert list(model.alternatives("ab", max_new_tokens=0)) == []
    assert list(model.generate_batch([])) == []


@pytest.mark.parametrize("name", ["stream", "generate_batch", "alternatives", "beam"])
def test_fewer_tokens_than_none_are_refused(name):
    with pytest.raises(UsageError, match="max_new_tokens=-1 is too small: give 0 or more"):
        list(getattr(built(), name)(["ab"] if name == "generate_batch" else "ab", max_new_tokens=-1))


@pytest.mark.parametrize("name", ["stream", "generate_batch", "alternatives"])
def test_settings_are_checked_before_anything_is_drawn(name):
    for options in ({"top_p": 2}, {"stop": [""]}):
        with pytest.raises(UsageError):
            list(getattr(built(), name)("ab" if name != "generate_batch" else ["ab"], **options))
    with pytest.raises(GuardError, match="9 tokens and the model reads 8"):
        list(getattr(built(), name)("abcdefab" if name != "generate_batch" else ["a", "abcdefab"]))


@pytest.mark.parametrize(
    ("ask", "part"),
    [
        (lambda model: model.alternatives(n=0), "n=0 is too small: give 1 or more"),
        (lambda model: model.alternatives(seed=-1), "seed=-1 is too small: give 0 or more"),
        (lambda model: model.generate(seed=1.5), "seed=1.5 is no whole number"),
        (lambda model: model.generate(top_k=2.0), "top_k=2.0 is no whole number"),
        (lambda model: model.generate(max_new_tokens="9"), "max_new_tokens='9' is no whole number"),
        (
            lambda model: model.beam(long_prompt="nonsense"),
            "long_prompt='nonsense' is unknown: choose one of",
        ),
        (lambda model: next(model.generate_batch("Peru")), "prompts='Peru' is one text: give a list"),
        (lambda model: next(model.generate_batch(["a"], batch_size=0)), "batch_size=0 is too small: give 1"),
        (lambda model: next(model.generate_batch(["a"], seed=-1)), "seed=-1 is too small"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(ask, part):
    with pytest.raises(UsageError, match=part):
        ask(built())


def test_past_the_context_nothing_is_remembered(monkeypatch):
    model, made = built(documents=False), []
    empty_cache = model.model.empty_cache
    monkeypatch.setattr(model.model, "empty_cache", lambda *size: made.append(size) or empty_cache(*size))
    model.generate("abc", max_new_tokens=20)
    model.beam("abc", max_new_tokens=20, width=2)
    assert len(made) == 2


def test_who_decodes_is_chosen_by_the_architecture():
    drawn, scalar = built(), built(mode="scalar")
    assert kind_of(drawn.model, drawn.decoder) == "fused"
    assert scalar.decoder is scalar.model
    config = replace(drawn.config, activation="swiglu")
    other = replace(drawn, model=build_model(config, "tensor"), config=config)
    assert kind_of(other.model, other.decoder) == "general"


@pytest.mark.parametrize("options", OPTIONS)
def test_the_decoder_draws_what_the_model_draws(options):
    fused, general = built(documents=False), built(documents=False)
    vars(general)["decoder"] = general.model
    for draw in (
        lambda model: model.generate("ab", max_new_tokens=12, seed=1, **options),
        lambda model: list(model.generate_batch(["ab", "", "c"], max_new_tokens=12, seed=1, **options)),
        lambda model: [text for text, _ in model.beam("ab", max_new_tokens=5)],
        lambda model: list(model.alternatives("a", max_new_tokens=3, n=1, **options))[-1].drawn.text,
    ):
        assert draw(fused) == draw(general)
