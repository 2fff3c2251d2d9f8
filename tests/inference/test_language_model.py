"""Text in, text out; saved and loaded, the same."""

from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest

from nanochat.checkpoints.formats.arrays import FORMATS, read_arrays, write_arrays
from nanochat.errors import CheckpointError, ConfigError, GuardError, TokenizerError, UsageError
from nanochat.inference.language_model import LanguageModel, fit_prompt, load
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.tokenizers import BPETokenizer, CharTokenizer, WordTokenizer

TOKENIZER = CharTokenizer("abcdef")
GPT = GPTConfig(vocab_size=7, block_size=5, n_embd=8, n_head=2, zero_init_proj=False, init_scale=0.5)
BIGRAM = BigramConfig(vocab_size=7, tie_lm_head=False, init_scale=1.0)


def language_model(config=GPT, mode="scalar", dtype="float64", *, documents=True) -> LanguageModel:
    model = build_model(config, mode, dtype)
    model.load_state_dict(draw_weights(config.parameters(), np.random.default_rng(5)))
    kind = "bigram" if isinstance(config, BigramConfig) else "gpt"
    return LanguageModel(model, TOKENIZER, config, kind, mode, stops_at_bos=documents)


@pytest.mark.parametrize("config", [GPT, BIGRAM], ids=["gpt", "bigram"])
@pytest.mark.parametrize(("mode", "dtype"), [("scalar", "float64"), ("tensor", "float32"), ("tensor", "float64")])
@pytest.mark.parametrize(("documents", "ending"), [(True, ".json"), (False, ".safetensors"), (True, ".json.gz")])
def test_what_is_loaded_is_what_was_saved(tmp_path, config, mode, dtype, documents, ending):
    model = language_model(config, mode, dtype, documents=documents)
    model.save(tmp_path / f"model{ending}")
    again = load(tmp_path / f"model{ending}")
    assert (again.config, again.mode, again.model_kind) == (model.config, mode, model.model_kind)
    np.testing.assert_array_equal(again.logits([0, 3, 1]), model.logits([0, 3, 1]))
    assert again.logits([0]).dtype == model.logits([0]).dtype
    assert again.generate("ab", seed=4, max_new_tokens=30) == model.generate("ab", seed=4, max_new_tokens=30)


@pytest.mark.parametrize("ending", FORMATS)
def test_saving_twice_gives_the_same_bytes(tmp_path, ending):
    for name in "ab":
        language_model().save(tmp_path / f"{name}{ending}")
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


@pytest.mark.parametrize(("mode", "dtype"), [("scalar", "float64"), ("tensor", "float32"), ("tensor", "float64")])
def test_weights_are_saved_in_their_precision(tmp_path, mode, dtype):
    language_model(mode=mode, dtype=dtype).save(tmp_path / "a.safetensors")
    arrays, header = read_arrays(tmp_path / "a.safetensors")
    assert {array.dtype.name for array in arrays.values()} == {dtype}
    assert header["dtype"] == dtype


def test_where_a_model_comes_from_is_kept(tmp_path):
    origin = {"step": 5, "preset": "microgpt", "data": "builtin:names", "seed": 1}
    replace(language_model(), origin=origin).save(tmp_path / "a.json")
    load(tmp_path / "a.json").save(tmp_path / "b.safetensors")
    assert load(str(tmp_path / "b.safetensors")).origin == origin
    language_model().save(tmp_path / "c.json")
    assert load(tmp_path / "c.json").origin == {}


@pytest.mark.parametrize("name", ["model.bin", "model", "model.pt"])
def test_a_name_of_no_format_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"ends in \.safetensors or \.json or \.json\.gz"):
        language_model().save(tmp_path / name)


@pytest.mark.parametrize("ending", FORMATS)
def test_everything_that_does_not_fit_is_in_one_message(tmp_path, ending):
    path = tmp_path / f"model{ending}"
    language_model(mode="tensor", dtype="float32").save(path)
    arrays, header = read_arrays(path)
    del arrays["wpe.weight"]
    arrays["wte.weight"] = arrays["wte.weight"].T.copy()
    arrays["h.0.mlp.fc.weight"] = arrays["h.0.mlp.fc.weight"].astype(np.float64)
    arrays["h.1.mlp.fc.weight"] = arrays["h.0.mlp.proj.weight"]
    write_arrays(path, arrays, header)
    with pytest.raises(CheckpointError) as refused:
        load(path)
    for part in (
        str(path),
        "wpe.weight (5, 8) is missing",
        "h.1.mlp.fc.weight (8, 32) is unexpected",
        "wte.weight has shape (8, 7), the model has (7, 8)",
        "h.0.mlp.fc.weight is float64, the model float32",
    ):
        assert part in str(refused.value)


def test_greedy_text_follows_the_largest_logits():
    model, ids, text = language_model(), [0, 1, 2], "ab"
    while len(ids) < 5:
        ids.append(int(model.logits(ids)[-1].argmax()))
        if ids[-1] == 0:
            break
        text += TOKENIZER.decode(ids[-1:])
    assert model.generate("ab", temperature=0, max_new_tokens=2) == text


def test_the_pieces_make_up_the_text():
    model = language_model(documents=False)
    pieces = list(model.stream("ab", seed=1, max_new_tokens=30))
    assert "ab" + "".join(pieces) == model.generate("ab", seed=1, max_new_tokens=30)
    assert all(len(piece) == 1 for piece in pieces)
    assert len(pieces) == 30


def test_documents_end_at_bos_and_streams_never_draw_it():
    lengths = {len(language_model().generate(seed=seed, max_new_tokens=100)) for seed in range(20)}
    assert len(lengths) > 1
    assert max(lengths) < 100
    assert len(language_model(documents=False).generate(seed=1, max_new_tokens=100)) == 100


def test_seeds_decide_the_text():
    model = language_model(documents=False)
    texts = [model.generate(seed=seed, max_new_tokens=20) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_a_prompt_that_fits_is_kept_and_one_too_long_refused():
    model = language_model()
    model.generate("abcd", max_new_tokens=1)  # with BOS as long as the block
    with pytest.raises(GuardError, match=r"6 tokens and the model reads 5: .*--long-prompt truncate-left"):
        model.generate("abcde", max_new_tokens=1)


def test_a_prompt_too_long_may_lose_its_beginning():
    model = language_model(documents=False)
    long = model.generate("fffabcde", long_prompt="truncate-left", max_new_tokens=9)
    assert long.removeprefix("fffabcde") == model.generate("abcde", max_new_tokens=9).removeprefix("abcde")


def test_a_bigram_takes_a_prompt_of_any_length():
    long, short = (language_model(BIGRAM).generate(prompt, seed=2) for prompt in ("abcdef" * 50, "f"))
    assert long.removeprefix("abcdef" * 50) == short.removeprefix("f")


@pytest.mark.parametrize(("ids", "kept"), [([1, 2], [1, 2]), ([1, 2, 3], [1, 2, 3]), ([1, 2, 3, 4], [2, 3, 4])])
def test_truncation_keeps_the_end(ids, kept):
    assert fit_prompt(ids, 3, "truncate-left") == kept


def test_an_unknown_character_is_named_with_its_place():
    with pytest.raises(TokenizerError, match=r"character '!' .* at position 2"):
        language_model().generate("ab!")


def test_a_bad_temperature_is_refused_before_anything_is_drawn():
    with pytest.raises(UsageError):
        next(language_model().stream(temperature=-1.0))


class Says:
    """A model that says the ids it was given, one after the other and over again, whatever it reads."""

    takes_arrays = False

    def __init__(self, ids, vocab_size) -> None:
        self.ids, self.vocab_size = cycle(ids), vocab_size

    def logits(self, ids, cache=None):
        row = np.zeros(self.vocab_size)
        row[next(self.ids)] = 1.0
        return [row for _ in ids]


def saying(tokenizer, ids, *, documents=False) -> LanguageModel:
    config = GPTConfig(vocab_size=tokenizer.vocab_size, block_size=99)
    return LanguageModel(Says(ids, tokenizer.vocab_size), tokenizer, config, "gpt", "scalar", stops_at_bos=documents)


def spoken(tokenizer, prompt, ids) -> list[str]:
    return list(saying(tokenizer, ids).stream(prompt, max_new_tokens=len(ids), temperature=0))


def test_words_go_on_with_the_space_that_follows_the_prompt():
    tokenizer = WordTokenizer.train("I don't know, do you?")
    ids = tokenizer.encode("don't know, you?")
    assert spoken(tokenizer, "I", ids) == [" don", "'", "t", " know", ",", " you", "?"]
    assert spoken(tokenizer, "", ids)[0] == "don"
    assert spoken(tokenizer, "don'", tokenizer.encode("t know")) == ["t", " know"]


def test_bytes_are_shown_when_they_are_a_character():
    tokenizer = BPETokenizer.train("abc", vocab_size=257)
    ids = [byte + 1 for byte in "é€a".encode()]
    assert spoken(tokenizer, "ö", ids) == ["é", "€", "a"]


@pytest.mark.parametrize(
    ("prompt", "joined"),
    [
        ("I (Quito", "I (Quito know, it"),
        ("Quito ", "Quito know, it"),
        ("I ", "I know, it"),
        ("I", "I know, it"),
        ("", "know, it"),
        (" ", " know, it"),
    ],
)
@pytest.mark.parametrize("unknown", ["skip", "unk"])
def test_one_space_stands_between_a_prompt_and_what_follows(prompt, joined, unknown):
    tokenizer = replace(WordTokenizer.train("I know, it", unknown="unk"), unknown=unknown)
    assert prompt + "".join(spoken(tokenizer, prompt, tokenizer.encode("know, it"))) == joined


@pytest.mark.parametrize("end", ["<|end|>", "</s>", "<|endoftext|>"])
@pytest.mark.parametrize("documents", [True, False])
def test_the_end_of_a_turn_ends_a_text_and_another_mark_does_not(end, documents):
    tokenizer = WordTokenizer.train("yes no", special_tokens=[end, "<|user|>"])
    ids, options = tokenizer.encode(f"yes <|user|> no {end}"), {"temperature": 0, "max_new_tokens": 99}
    model = saying(tokenizer, ids, documents=documents)
    assert model.generate("no", **options) == "no yes <|user|> no"
    assert list(model.generate_batch(["no"], **options)) == ["no yes <|user|> no"]
    assert [one.drawn.id for one in model.alternatives("no", **options)] == ids


@pytest.mark.parametrize("mode", ["scalar", "tensor"])
@pytest.mark.parametrize(
    ("ids", "message"),
    [([], "holds no token"), ([-1], "-1 among the ids is no token"), ([0, 99999], "99999 among the ids is no token")],
)
def test_logits_of_what_is_no_token_are_refused(mode, ids, message):
    with pytest.raises(UsageError, match=message):
        language_model(mode=mode).logits(ids)


def test_a_model_introduces_itself_in_a_line_and_shows_its_parts_and_texts():
    model = language_model()
    assert repr(model).startswith("LanguageModel(gpt, scalar, ")
    shown = model._repr_mimebundle_()
    assert shown["text/plain"] == repr(model)
    assert "h.0.attn.qkv" in shown["text/html"]
    assert shown["text/html"].count("<li>") == 5
