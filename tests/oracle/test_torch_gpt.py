"""Whole transformers against one in PyTorch, in float64, to 1e-10: logits, loss, gradients, 20 steps of AdamW."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nanochat.engine.tensor.optim import AdamW
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.gpt.tensor import GPT
from nanochat.models.presets import PRESETS

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch (CPU build)")
opponent = pytest.importorskip("nanochat.models.gpt.torch")

TOLERANCE = 1e-10


def small(preset: str, **changed: Any) -> GPTConfig:
    config = PRESETS[preset].model
    assert isinstance(config, GPTConfig)
    return replace(config, vocab_size=23, block_size=20, n_embd=32, n_layer=2, mlp_width=0, dropout=0.0, **changed)


BASE = small("nanogpt-cpu")
CONFIGS = {
    "nanogpt-cpu": BASE,
    "rustgpt": replace(small("rustgpt"), mlp_width=48),
    "nanochat-tiny": small("nanochat-tiny"),
    "nanochat-words": small("nanochat-words"),
    "nanogpt-char": replace(small("nanogpt-char", n_head=4), n_embd=24),
    "microgpt": small("microgpt"),
    "grouped, rope, QK norm, relu2": replace(
        BASE, n_kv_head=2, head_dim=6, positions="rope", qk_norm=True, activation="relu2", norm="rms"
    ),
    "one key head, swiglu": replace(BASE, n_kv_head=1, activation="swiglu", norm="rms", positions="none"),
    "window, sinusoidal, silu, biases": replace(
        BASE, window=5, positions="sinusoidal", activation="silu", attn_bias=True, mlp_bias=True, norm_bias=True
    ),
    "dyt, soft-cap": replace(
        BASE, norm="dyt", norm_bias=True, logit_softcap=4.0, label_smoothing=0.1, tie_lm_head=False, head_bias=True
    ),
    "rope of another base, sharper scores, windows by turns, the dtype's eps": replace(
        small("nanochat-tiny"), n_layer=3, window=4, window_pattern="SL", rope_base=1e5, attn_scale=1.44, norm_eps=0.0
    ),
    "no norm, no projection": replace(BASE, norm="none", final_norm=False, attn_proj=False, input_rmsnorm=True),
}


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    n_threads = torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)  # beside other tests more threads wait for each other: twenty steps took 20 s
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_num_threads(n_threads)


def pair(config: GPTConfig) -> tuple[GPT, Any]:
    """Our model and the opponent with the same random weights."""
    rng = np.random.default_rng(3)
    ours = GPT(config, dtype=np.float64)
    state = {name: rng.normal(0.0, 0.2, p.shape) + 0.5 * (p.ndim < 2) for name, p in ours.named_parameters()}
    ours.load_state_dict(state)
    theirs = opponent.TorchGPT(config)
    theirs.load_ours(state)
    return ours, theirs


def batch(config: GPTConfig, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    inputs, targets = np.random.default_rng(seed).integers(0, config.vocab_size, (2, 3, config.block_size))
    targets[0, :4] = targets[2, -1] = -1
    return inputs, targets


def assert_equal(ours: np.ndarray, theirs: Any, name: str = "") -> None:
    theirs = theirs.detach().numpy()
    assert np.abs(ours - theirs).max() <= TOLERANCE * max(1.0, np.abs(theirs).max()), name


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_loss_and_gradients_equal_torch(name: str) -> None:
    ours, theirs = pair(CONFIGS[name])
    inputs, targets = batch(CONFIGS[name])

    loss, expected = ours.loss(inputs, targets), theirs(torch.tensor(inputs), torch.tensor(targets))
    loss.backward()
    expected.backward()

    assert_equal(ours.logits(inputs).data, theirs(torch.tensor(inputs)))
    assert_equal(loss.data, expected)
    others = dict(theirs.named_parameters())
    assert {key for key, _ in ours.named_parameters()} == others.keys()
    for key, parameter in ours.named_parameters():
        assert parameter.grad is not None
        assert_equal(parameter.grad, others[key].grad, key)


@pytest.mark.parametrize("name", CONFIGS)
def test_twenty_steps_of_adamw_equal_torch(name: str) -> None:
    config = CONFIGS[name]
    ours, theirs = pair(config)
    optimizer = AdamW(ours.named_parameters(), betas=(0.9, 0.99), weight_decay=0.1)
    oracle = opponent.make_adamw(theirs, lr=3e-3, betas=(0.9, 0.99), weight_decay=0.1)
    losses = []
    for step in range(20):
        inputs, targets = batch(config, seed=step % 3)
        optimizer.zero_grad()
        loss = ours.loss(inputs, targets)
        loss.backward()
        optimizer.step(3e-3)
        losses.append(opponent.train_step(theirs, oracle, torch.tensor(inputs), torch.tensor(targets)))
        assert float(loss) == pytest.approx(losses[-1], rel=TOLERANCE)

    assert losses[-1] < losses[0] - 0.1
    others = dict(theirs.named_parameters())
    for key, parameter in ours.named_parameters():
        assert_equal(parameter.data, others[key], key)


@pytest.mark.parametrize("name", CONFIGS)
def test_decoding_with_both_caches_is_equal(name: str) -> None:
    config = CONFIGS[name]
    ours, theirs = pair(config)
    inputs = batch(config)[0]
    mine, other = ours.empty_cache(3), opponent.KVCache(config, 3, torch.float64)
    whole = theirs(torch.tensor(inputs)).detach().numpy()
    for start, end in ((0, 6), (6, 7), (7, 8), (8, 12), (12, 13)):
        expected = theirs(torch.tensor(inputs[:, start:end]), cache=other).detach()
        assert_equal(ours.logits(inputs[:, start:end], mine).data, expected)
        assert_equal(whole[:, start:end], expected)
