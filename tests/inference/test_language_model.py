"""Text in, text out; saved and loaded, the same."""

import numpy as np
import pytest

from nanochat.checkpoints.directory import save_directory
from nanochat.checkpoints.weights import save_snapshot
from nanochat.errors import CheckpointError, ConfigError, GuardError, TokenizerError, UsageError
from nanochat.inference.language_model import LanguageModel, find_model_file, fit_prompt, load
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
@pytest.mark.parametrize("documents", [True, False])
def test_what_is_loaded_is_what_was_saved(tmp_path, config, mode, dtype, documents):
    model = language_model(config, mode, dtype, documents=documents)
    model.save(tmp_path / "model.json")
    again = load(tmp_path / "model.json")
    assert (again.config, again.mode, again.model_kind) == (model.config, mode, model.model_kind)
    np.testing.assert_array_equal(again.logits([0, 3, 1]), model.logits([0, 3, 1]))
    assert again.logits([0]).dtype == model.logits([0]).dtype
    assert again.generate("ab", seed=4, max_new_tokens=30) == model.generate("ab", seed=4, max_new_tokens=30)


def test_saving_twice_gives_the_same_bytes(tmp_path):
    for name in ("a.json", "b.json"):
        language_model().save(tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_name_that_is_no_json_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"give a name that ends in \.json"):
        language_model().save(tmp_path / "model.bin")


def test_a_model_is_found_in_a_file_a_checkpoint_and_a_run(tmp_path):
    snapshot = language_model().snapshot()
    save = save_directory(
        tmp_path / "run" / "checkpoints", 3, lambda folder: save_snapshot(folder / "model.json", snapshot)
    )
    for path in (save / "model.json", save, tmp_path / "run", str(tmp_path / "run")):
        assert load(path).logits([0]).shape == (1, 7)
    assert find_model_file(tmp_path / "run") == save / "model.json"


def test_a_damaged_checkpoint_is_refused_even_where_its_json_is_sound(tmp_path):
    snapshot = language_model().snapshot()
    folder = save_directory(tmp_path, 3, lambda draft: save_snapshot(draft / "model.json", snapshot))
    text = (folder / "model.json").read_text(encoding="utf-8")
    (folder / "model.json").write_text(text.replace("0.", "1.", 1), encoding="utf-8")
    with pytest.raises(CheckpointError, match="differs from its manifest"):
        load(folder)


def test_where_there_is_no_model_the_sentence_says_how_to_get_one(tmp_path):
    with pytest.raises(CheckpointError, match="train one with `nanochat train`"):
        load(tmp_path)


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
    """A model that says the ids it was given, one after the other, whatever it reads."""

    takes_arrays = False

    def __init__(self, ids, vocab_size) -> None:
        self.ids, self.vocab_size = iter(ids), vocab_size

    def logits(self, ids, cache=None):
        row = np.zeros(self.vocab_size)
        row[next(self.ids)] = 1.0
        return [row for _ in ids]


def spoken(tokenizer, prompt, ids) -> list[str]:
    config = GPTConfig(vocab_size=tokenizer.vocab_size, block_size=99)
    model = LanguageModel(Says(ids, tokenizer.vocab_size), tokenizer, config, "gpt", "scalar", stops_at_bos=False)
    return list(model.stream(prompt, max_new_tokens=len(ids), temperature=0))


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
