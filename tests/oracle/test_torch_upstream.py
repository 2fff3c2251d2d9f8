"""What nanochat adds, against the PyTorch mirror in float64: logits, loss and gradients to 1e-10."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from nanochat.models.build import build_model
from nanochat.models.gpt.upstream.config import UpstreamConfig
from nanochat.models.gpt.upstream.recipe import PINNED, upstream_model

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch (CPU build)")
mirror = pytest.importorskip("nanochat.models.gpt.upstream.torch")

SIZES = {"vocab_size": 11, "block_size": 12, "n_embd": 32, "n_head": 4}
CONFIGS = {
    "july": upstream_model(3, window=4, window_pattern="SSL", **SIZES),
    "february, grouped": upstream_model(2, PINNED, n_kv_head=2, **SIZES),
    "after its sum, gains": replace(
        upstream_model(3, **SIZES), norm_position="post", norm="layer", norm_gain=True, head_dim=6
    ),
}


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", CONFIGS)
def test_loss_logits_and_gradients_are_those_of_the_mirror(name: str) -> None:
    config: UpstreamConfig = CONFIGS[name]
    rng = np.random.default_rng(3)
    state = {name: rng.normal(0.3 * (len(p.shape) < 2), 0.3, p.shape) for name, p in config.parameters().items()}
    ours, theirs = build_model(config, "tensor", "float64"), mirror.UpstreamTorchGPT(config)
    ours.load_state_dict(state)
    theirs.load_ours(state)
    inputs, targets = rng.integers(0, config.vocab_size, (2, 3, config.block_size))
    targets[0, :4] = -1
    loss, expected = ours.loss(inputs, targets), theirs(torch.as_tensor(inputs), torch.as_tensor(targets))
    loss.backward()
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-10)
    logits = theirs(torch.as_tensor(inputs)).detach().numpy()
    np.testing.assert_allclose(ours.predict(inputs), logits, rtol=0, atol=1e-10 * np.abs(logits).max())
    gradients = {name: parameter.grad.numpy() for name, parameter in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        np.testing.assert_allclose(
            parameter.grad, gradients[name], rtol=0, atol=1e-10 * max(1.0, np.abs(gradients[name]).max()), err_msg=name
        )


def test_the_mirror_of_a_gpt_refuses_what_it_has_no_parts_for() -> None:
    from nanochat.models.gpt.torch import TorchGPT

    with pytest.raises(ValueError, match="UpstreamConfig has parts that TorchGPT has not"):
        TorchGPT(CONFIGS["july"])
