"""Every preset builds, has the size that its source has, and learns."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nanochat.errors import ConfigError
from nanochat.experiments.certify.models import reduced
from nanochat.models.base import ModelConfig, logits_array
from nanochat.models.bigram.config import BigramConfig
from nanochat.models.build import build_model
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.models.parameters import count_parameters
from nanochat.models.presets import PRESETS, get_preset
from nanochat.training.config import RunConfig, TrainingConfig

TEXT = np.array([1, 4, 2, 0, 3, 3, 5, 2])
"""What is repeated: 2 and 3 are each followed by two different tokens, so a bigram is left with a doubt."""
BIGRAM_LOSS = 4 * np.log(2) / 8
"""In nats a token, of a model that knows the last token only: four of eight places are a coin toss."""


def weights(config: ModelConfig, seed: int = 0) -> dict[str, np.ndarray]:
    return draw_weights(config.parameters(), np.random.default_rng(seed))


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n == "nanogpt-char" else n for n in PRESETS]
)
def test_a_preset_builds_in_its_mode_and_predicts(name: str) -> None:
    preset = PRESETS[name]
    config = replace(preset.model, vocab_size=9)
    model = build_model(config, preset.mode)
    model.load_state_dict(weights(config))
    assert model.n_parameters() == count_parameters(config.parameters())
    z = logits_array(model, [[0, 1, 8]])
    assert z.shape == (1, 3, 9)
    assert np.isfinite(z).all()
    assert config.context_size == (1 if name == "bigram" else config.block_size)


@pytest.mark.parametrize("name", PRESETS)
def test_the_recipe_of_a_preset_is_a_configuration(name: str) -> None:
    preset = PRESETS[name]
    training = TrainingConfig(**preset.training)
    run = RunConfig(preset=name, model_kind=preset.model_kind, mode=preset.mode, model=preset.model, training=training)
    assert run.training.batch_size >= 1
    assert preset.source


@pytest.mark.parametrize(
    ("name", "changed", "n_parameters"),
    [
        ("bigram", {"vocab_size": 27}, 2 * 27 * 27),
        ("bigram", {"vocab_size": 27, "tie_lm_head": True}, 27 * 27),
        ("mini-gpt", {"vocab_size": 27}, 16 * 27 + 3200),
        ("mini-gpt", {"vocab_size": 100}, 16 * 100 + 3200),
        ("microgpt", {}, 4192),
        ("rustgpt", {"n_head": 1, "attn_proj": False, "vocab_size": 533}, 493_973),
        ("nanogpt-cpu", {"vocab_size": 65}, 4 * (12 * 128**2 + 2 * 128) + 128 + (65 + 64) * 128),
        ("nanogpt-char", {"vocab_size": 65}, 6 * (12 * 384**2 + 2 * 384) + 384 + (65 + 256) * 384),
    ],
)
def test_sizes_are_those_of_the_sources(name: str, changed: dict[str, Any], n_parameters: int) -> None:
    config = replace(PRESETS[name].model, **changed)
    assert count_parameters(config.parameters()) == n_parameters
    if n_parameters < 1_000_000:
        assert build_model(config, "tensor").n_parameters() == n_parameters


def test_the_rustgpt_has_the_layers_of_the_original_and_no_more() -> None:
    config = PRESETS["rustgpt"].model
    assert isinstance(config, GPTConfig)
    names = {name.replace("h.0.", "").replace("h.1.", "").replace("h.2.", "") for name in config.parameters()}
    assert names == {
        "wte.weight", "wpe.weight", "attn.qkv.weight", "attn.proj.weight", "norm_1.weight", "norm_1.bias",
        "norm_2.weight", "norm_2.bias", "mlp.fc.weight", "mlp.fc.bias", "mlp.proj.weight", "mlp.proj.bias",
        "lm_head.weight", "lm_head.bias",
    }  # fmt: skip
    assert (config.norm_position, config.activation, config.block_size) == ("post", "relu", 80)


@pytest.mark.parametrize("name", PRESETS)
def test_the_model_of_a_preset_learns_a_repeating_text(name: str) -> None:
    """By its own optimizer, at a size for seconds: a transformer ends below what the last token alone can tell.

    The bigram gets a head of its own, since logits that are E E^T know pairs, but not which of the two comes first.
    """
    preset = PRESETS[name]
    config = replace(reduced(preset.model), vocab_size=6, block_size=8)
    if isinstance(config, BigramConfig):
        config = replace(config, tie_lm_head=False)
    training = TrainingConfig(**{**preset.training, "max_grad_norm": 1.0})
    training = replace(training, weight_decay=min(training.weight_decay, 0.1))  # nanochat's grows as models shrink
    run = RunConfig(preset=name, model_kind=preset.model_kind, mode="tensor", model=config, training=training)
    model = build_model(config, "tensor")
    model.load_state_dict(weights(config))
    optimizer = run.engine.optimizer(model, run.training)
    rows = np.stack([np.roll(TEXT, -shift) for shift in range(8)])
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = model.loss(rows, np.roll(rows, -1, axis=1))
        loss.backward()
        optimizer.clip_gradients()
        optimizer.step(0.01)
        losses.append(float(loss))
    assert losses[0] > 1.2
    if isinstance(config, BigramConfig):
        assert losses[-1] == pytest.approx(BIGRAM_LOSS, abs=0.05)
    else:
        assert losses[-1] < BIGRAM_LOSS - 0.1


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="there is no preset 'nanogpt': did you mean 'nanogpt-c"):
        get_preset("nanogpt")


def test_a_scalar_model_with_dropout_is_refused_with_a_way_out() -> None:
    with pytest.raises(ConfigError, match=r"dropout=0.2 is for arrays: use --mode tensor, or --set model.dropout=0"):
        build_model(PRESETS["nanogpt-char"].model, "scalar")
