"""GPT-2's folders and `transformers`: random tiny models that either wrote and both read. Nothing is downloaded."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanochat.checkpoints.gpt2.folder import load_gpt2, read_gpt2, save_gpt2
from nanochat.inference.language_model import LanguageModel, load
from nanochat.models.base import logits_array
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.gpt.tensor import GPT
from nanochat.models.presets import PRESETS
from nanochat.tokenizers import BPETokenizer, CharTokenizer, save_tokenizer

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported: it reads this once

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch (CPU build)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install transformers")

TOLERANCE = 1e-4
"""Of float32 logits with a standard deviation of 1.7 to 3; measured: 2e-5 and less."""
TINY = {"vocab_size": 300, "n_positions": 24, "n_embd": 32, "n_layer": 3, "n_head": 4}
CONFIGS: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "untied": {"tie_word_embeddings": False},
    "narrow MLP": {"n_inner": 48, "layer_norm_epsilon": 1e-3},
    "relu": {"activation_function": "relu"},
    "silu": {"activation_function": "silu"},
    "tanh form of PyTorch": {"activation_function": "gelu_pytorch_tanh"},
    "upcast": {"reorder_and_upcast_attn": True},
}


def random_gpt2(**changed: Any) -> Any:
    """A model of transformers with weights as large as those of a trained one, biases and gains included."""
    torch.manual_seed(3)
    ids = {"bos_token_id": 0, "eos_token_id": 0}
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**(TINY | ids | changed))).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.3 + float(".ln_" in name and "weight" in name))
    return model


def some_ids(vocab_size: int, length: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, vocab_size, (2, length))


def logits_of(model: Any, ids: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        logits: np.ndarray = model(torch.tensor(ids)).logits.numpy()
    return logits


def our_logits(folder: Path, ids: np.ndarray) -> np.ndarray:
    config, weights = read_gpt2(folder)
    model = GPT(config)
    model.load_state_dict(weights)
    return logits_array(model, ids)


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_of_a_saved_model_equal_those_of_transformers(name: str, tmp_path: Path) -> None:
    theirs = random_gpt2(**CONFIGS[name])
    theirs.save_pretrained(tmp_path)
    ids = some_ids(TINY["vocab_size"], TINY["n_positions"])
    expected = logits_of(theirs, ids)
    assert expected.std() > 1
    assert np.abs(our_logits(tmp_path, ids) - expected).max() <= TOLERANCE


def test_a_model_without_head_is_read_as_well(tmp_path: Path) -> None:
    """GPT2Model writes names without `transformer.`, as the files of the first GPT-2 have them."""
    theirs = random_gpt2()
    theirs.transformer.save_pretrained(tmp_path)
    ids = some_ids(TINY["vocab_size"], 9)
    assert np.abs(our_logits(tmp_path, ids) - logits_of(theirs, ids)).max() <= TOLERANCE


def test_half_precision_is_widened(tmp_path: Path) -> None:
    random_gpt2().half().save_pretrained(tmp_path)
    theirs = transformers.GPT2LMHeadModel.from_pretrained(tmp_path, dtype=torch.float32).eval()
    ids = some_ids(TINY["vocab_size"], 9)
    assert np.abs(our_logits(tmp_path, ids) - logits_of(theirs, ids)).max() <= TOLERANCE


OURS = {
    "gpt2": replace(
        PRESETS["nanogpt-cpu"].model,
        block_size=20,
        n_embd=32,
        n_layer=2,
        norm_bias=True,
        attn_bias=True,
        mlp_bias=True,
    ),
    "no bias, no gain": GPTConfig(
        block_size=20, n_embd=32, norm="layer", final_norm=True, init="normal", init_scale=0.3, zero_init_proj=False
    ),
    "nanogpt-cpu": PRESETS["nanogpt-cpu"].model,
}


def random_weights(config: GPTConfig) -> dict[str, np.ndarray]:
    rng, scale = np.random.default_rng(1), 1.7 / config.n_embd**0.5
    gains = {key: 1.0 for key in config.parameters() if "norm" in key and "weight" in key}
    return {key: rng.normal(gains.get(key, 0.0), scale, p.shape) for key, p in config.parameters().items()}


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("tied", [True, False])
def test_transformers_gives_our_logits_for_what_we_wrote(name: str, tied: bool, tmp_path: Path) -> None:
    tokenizer = BPETokenizer.train("low lower lowest", vocab_size=260)
    config = replace(OURS[name], vocab_size=260, tie_lm_head=tied)
    model = build_model(config, "tensor")
    model.load_state_dict(random_weights(config))
    mine = LanguageModel(model, tokenizer, config, "gpt", "tensor", stops_at_bos=True)
    save_gpt2(tmp_path, mine.snapshot())

    theirs, report = transformers.GPT2LMHeadModel.from_pretrained(tmp_path, output_loading_info=True)
    ids = some_ids(260, config.block_size)
    expected = logits_of(theirs.eval(), ids)
    assert not any(report.values()), report
    assert expected.std() > 1
    assert np.abs(logits_array(model, ids) - expected).max() <= TOLERANCE
    np.testing.assert_array_equal(load(tmp_path).logits(ids[0].tolist()), mine.logits(ids[0].tolist()))


def test_its_tokenizer_gives_the_same_ids_there(tmp_path: Path) -> None:
    tokenizer = BPETokenizer.train("low lower lowest", vocab_size=262, special_tokens=["<|user|>"])
    config = GPTConfig(vocab_size=262, norm="layer", final_norm=True)
    model = build_model(config, "tensor")
    save_gpt2(tmp_path, LanguageModel(model, tokenizer, config, "gpt", "tensor", stops_at_bos=True).snapshot())
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in ("the lowest", "<|user|>low", "é\n  newer"):
        assert theirs(text)["input_ids"] == tokenizer.encode(text)
        assert theirs.decode(tokenizer.encode(text)) == text
    assert (theirs.bos_token, theirs.eos_token_id) == (tokenizer.bos_token, tokenizer.bos_id)


def test_greedy_text_is_that_of_transformers(tmp_path: Path) -> None:
    tokenizer = BPETokenizer.train("low lower lowest", vocab_size=TINY["vocab_size"])
    theirs = random_gpt2(vocab_size=tokenizer.vocab_size)
    theirs.save_pretrained(tmp_path)
    save_tokenizer(tokenizer, tmp_path / "tokenizer.json", form="huggingface")
    ids = [tokenizer.bos_id, *tokenizer.encode("slow")]
    room = TINY["n_positions"] - len(ids)
    out = theirs.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=room, pad_token_id=0)[0].tolist()
    assert load(tmp_path).generate("slow", temperature=0, max_new_tokens=room) == tokenizer.decode(out)


@pytest.mark.parametrize("end", ["<|end|>", "<|stop|>"])
def test_text_ends_where_transformers_ends_it(end: str, tmp_path: Path) -> None:
    """Whichever of several ids the model draws: the end is made likelier until greedy text meets it."""
    tokenizer = BPETokenizer.train("low lower lowest", vocab_size=261, special_tokens=[end])
    theirs = random_gpt2(vocab_size=tokenizer.vocab_size, tie_word_embeddings=False)
    with torch.no_grad():
        theirs.lm_head.weight[260] = theirs.lm_head.weight.mean(0) + 0.4 * theirs.transformer.wte.weight[260]
    theirs.generation_config.eos_token_id = [0, 260]
    theirs.save_pretrained(tmp_path / "theirs")
    save_tokenizer(tokenizer, tmp_path / "theirs" / "tokenizer.json", form="huggingface")
    mine = load(tmp_path / "theirs")
    assert {0, 260} <= set(mine.limits()["stop_ids"])
    save_gpt2(tmp_path / "ours", mine.snapshot())
    again = transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "ours").eval()
    assert sorted(again.generation_config.eos_token_id) == [0, 260]
    for word in ("low", "er", "west", "slow"):
        ids = [0, *tokenizer.encode(word)]
        out = again.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=12, pad_token_id=0)[0].tolist()
        while out[-1] in (0, 260) and len(out) > len(ids):
            out.pop()
        assert mine.generate(word, temperature=0, max_new_tokens=12) == tokenizer.decode(out)


def test_an_embedding_that_is_padded_gives_the_same_logits(tmp_path: Path) -> None:
    tokenizer = BPETokenizer.train("low lower lowest", vocab_size=260)
    theirs = random_gpt2(vocab_size=260)
    theirs.resize_token_embeddings(260, pad_to_multiple_of=64, mean_resizing=False)
    theirs.save_pretrained(tmp_path)
    save_tokenizer(tokenizer, tmp_path / "tokenizer.json", form="huggingface")
    ids = some_ids(260, 9)
    assert load(tmp_path).config.vocab_size == 320
    assert np.abs(our_logits(tmp_path, ids) - logits_of(theirs, ids)).max() <= TOLERANCE
    assert load(tmp_path).tokenizer.unused_ids == tuple(range(260, 320))


def test_the_characters_of_a_char_model_stay_here(tmp_path: Path) -> None:
    tokenizer = CharTokenizer("abc")
    config = GPTConfig(vocab_size=4, norm="layer", final_norm=True)
    snapshot = LanguageModel(build_model(config, "tensor"), tokenizer, config, "gpt", "tensor", True).snapshot()
    save_gpt2(tmp_path, snapshot)
    assert transformers.GPT2LMHeadModel.from_pretrained(tmp_path).config.vocab_size == 4
    with pytest.raises(Exception, match="has no tokenizer"):
        load_gpt2(tmp_path)
