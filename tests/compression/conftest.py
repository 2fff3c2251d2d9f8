"""A transformer that nobody has to train, as a snapshot; and text that it can read."""

import numpy as np
import pytest

from nanochat.checkpoints.weights import Snapshot
from nanochat.models.gpt.config import GPTConfig
from nanochat.models.initial import draw_weights
from nanochat.tokenizers import CharTokenizer

TOKENIZER = CharTokenizer("abcdefg")


def _snapshot_of(seed=0, **fields) -> Snapshot:
    """Weights of the size that training gives them, so that layers do something."""
    fields = {"n_layer": 2, "n_head": 4, "n_embd": 16, "mlp_width": 24, "norm": "layer", "norm_gain": True} | fields
    config = GPTConfig(vocab_size=8, block_size=8, activation="gelu", init="normal", init_scale=0.3,
                       zero_init_proj=False, **fields)  # fmt: skip
    weights = {
        name: w.astype(np.float32) for name, w in draw_weights(config.parameters(), np.random.default_rng(seed)).items()
    }
    return Snapshot(
        model_kind="gpt", mode="tensor", dtype="float32", model=vars(config), tokenizer=TOKENIZER.to_dict(),
        stops_at_bos=False, weights=weights, origin={"step": 5, "seed": seed},
    )  # fmt: skip


@pytest.fixture
def snapshot_of():
    """A function of a seed and fields of the config."""
    return _snapshot_of


@pytest.fixture
def snapshot():
    return _snapshot_of()


@pytest.fixture
def ids():
    """Calibration text (B, T)."""
    return np.random.default_rng(1).integers(1, 8, (40, 8))
