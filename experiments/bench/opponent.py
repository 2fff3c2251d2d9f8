"""The PyTorch model of benchmarks/, where there is a checkout and torch: what `nanochat bench` runs against."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np

from ...data.batches import Batch
from ...models.gpt.config import GPTConfig

_FILE = Path(__file__).parents[1] / "benchmarks" / "torch_gpt.py"


def load_opponent() -> Any | None:
    """The module benchmarks/torch_gpt.py; None where it or torch is missing."""
    if not _FILE.is_file() or find_spec("torch") is None:
        return None
    spec = spec_from_file_location("torch_gpt", _FILE)
    assert spec is not None, "the file is there"
    assert spec.loader is not None, "a .py file always has a loader"
    module = module_from_spec(spec)
    sys.modules["torch_gpt"] = module
    spec.loader.exec_module(module)
    return module


def torch_step(
    opponent: Any, config: GPTConfig, state: Mapping[str, np.ndarray], batch: Batch, *, lr: float, weight_decay: float
) -> Callable[[], object]:
    """Forward, backward, clip, fused AdamW, in float32, on all cores."""
    import torch

    model = _model(opponent, config, state)
    optimizer = opponent.make_adamw(model, lr=lr, weight_decay=weight_decay)
    inputs, targets = torch.as_tensor(batch.inputs), torch.as_tensor(batch.targets)
    return lambda: opponent.train_step(model, optimizer, inputs, targets, 1.0)


def torch_decoder(
    opponent: Any, config: GPTConfig, state: Mapping[str, np.ndarray], *, cached: bool
) -> Callable[[], object]:
    """Greedy decoding of block_size tokens from one; a step is the whole text."""
    import torch

    model = _model(opponent, config, state).eval()

    def decode() -> object:
        with torch.inference_mode():
            cache = opponent.KVCache(config) if cached else None
            ids = torch.zeros((1, 1), dtype=torch.int64)
            for _ in range(config.block_size):
                unread = ids[:, -1:] if cached else ids
                new = model(unread, cache=cache)[:, -1:].argmax(-1)
                ids = torch.cat([ids, new], dim=1)
            return ids

    return decode


def _model(opponent: Any, config: GPTConfig, state: Mapping[str, np.ndarray]) -> Any:
    model = opponent.TorchGPT(config)
    model.load_ours({name: weight.astype(np.float32) for name, weight in state.items()})
    return model
