"""What runs in a benchmark: our training step and decoder at the sizes that students train, and torch's beside them.

A contender is a function that does one step. All have the same weights, batches, precision (float32) and cores.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from ...data.batches import Batch
from ...engine.tensor.allocator import keep_freed_pages
from ...inference.decoding import decoder_of
from ...machine import one_blas_thread
from ...models.base import logits_array
from ...models.build import build_model
from ...models.gpt.config import GPTConfig
from ...models.initial import draw_weights
from ...models.presets import PRESETS
from ...training.backends import BACKENDS
from ...training.hyperparameters import TrainingConfig
from .pairs import Step


@dataclass(frozen=True)
class Shape:
    """A row of the table: a model and a batch of it."""

    name: str
    model: GPTConfig
    batch_size: int
    floor: float
    """Ours over torch in tokens a second: what must be reached."""
    aim: float


_RUSTGPT = replace(PRESETS["rustgpt"].model, vocab_size=66, block_size=64)
SHAPES = (
    Shape("B1 T16 L1 H4 C16 (microgpt)", PRESETS["microgpt"].model, 1, 6.0, 9.0),  # type: ignore[arg-type]  # a GPTConfig
    Shape("B12 T64 L4 H4 C128 (nanogpt-cpu)", PRESETS["nanogpt-cpu"].model, 12, 1.05, 1.15),  # type: ignore[arg-type]
    Shape("B16 T64 L3 H8 C128 (rustgpt-like)", _RUSTGPT, 16, 1.0, 1.03),  # type: ignore[arg-type]
    Shape("B8 T256 L6 H6 C384 (nanogpt-char)", replace(PRESETS["nanogpt-char"].model, dropout=0.0), 8, 1.0, 1.02),  # type: ignore[arg-type]
)
TRAINING = TrainingConfig(lr=1e-4, weight_decay=0.1, max_grad_norm=1.0, replicas=0)


def draw_batch(config: GPTConfig, batch_size: int, seed: int = 0) -> Batch:
    """Random tokens       (B, T)"""
    ids = np.random.default_rng(seed).integers(0, config.vocab_size, (batch_size, config.block_size + 1))
    return Batch(ids[:, :-1].copy(), ids[:, 1:].copy())


def our_step(shape: Shape, state: Mapping[str, np.ndarray], batch: Batch) -> Step:
    """Forward, backward, clip, AdamW, in float32, with the replicas that a run would use."""
    backend, settings = BACKENDS["tensor"], replace(TRAINING, batch_size=shape.batch_size)
    settings = replace(settings, replicas=backend.replicas(settings, shape.model.block_size))
    model = build_model(shape.model, "tensor", "float32")
    model.load_state_dict(state)
    keep_freed_pages()
    optimizer, accumulate = backend.optimizer(model, settings), backend.accumulate(model, settings)
    parts = split_rows(batch, settings.replicas)

    def step() -> float:
        optimizer.zero_grad()
        loss = accumulate(parts)
        optimizer.clip_gradients()
        optimizer.step(TRAINING.lr)
        return loss

    for _ in range(3):  # by the graph, recorded, compared: from the fourth on they are replayed
        step()
    return step


def torch_step(shape: Shape, state: Mapping[str, np.ndarray], batch: Batch, *, compiled: bool = False) -> Step:
    """The same in PyTorch, on all cores, with the fused AdamW; the model compiled at the first step, or as it is."""
    import torch

    from ...models.gpt.torch import make_adamw, train_step

    model = _torch_model(shape.model, state)
    optimizer = make_adamw(model, lr=TRAINING.lr, weight_decay=TRAINING.weight_decay)
    inputs, targets = torch.as_tensor(batch.inputs), torch.as_tensor(batch.targets)
    model = torch.compile(model) if compiled else model
    return lambda: train_step(model, optimizer, inputs, targets, TRAINING.max_grad_norm)


def compiled_step(shape: Shape, state: Mapping[str, np.ndarray], batch: Batch) -> tuple[Step | None, str]:
    """`torch_step` with a model that torch.compile has compiled, and what compiling took; None, and why not."""
    if not has_torch():
        return None, "torch.compile is left out, since torch is missing"
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        return None, f"torch.compile is left out, since there is no C++ compiler ({compiler}): install one, or set CXX"
    step, start = torch_step(shape, state, batch, compiled=True), time.perf_counter()
    step()
    return step, f"torch.compile took {time.perf_counter() - start:.1f} s, which no figure below contains"


def split_rows(batch: Batch, n: int) -> list[Batch]:
    """The batch in n parts of equal size."""
    inputs, targets = np.split(batch.inputs, n), np.split(batch.targets, n)
    return [Batch(x, y) for x, y in zip(inputs, targets, strict=True)]


def first_weights(config: GPTConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """As a run would draw them, the same for every contender."""
    return draw_weights(config.parameters(), np.random.default_rng(seed))


def our_decoder(
    config: GPTConfig, state: Mapping[str, np.ndarray], batch_size: int = 1, *, general: bool = False
) -> Step:
    """Greedy decoding of block_size tokens from one, with the KV cache; a step is the whole text. One thread.

    general: by the model's own path, as for an architecture that has no decoder.
    """
    model: Any = build_model(config, "tensor", "float32")  # a GPT, which has a cache
    model.load_state_dict(state)
    reader: Any = model if general else decoder_of(model)

    @one_blas_thread()
    def decode() -> np.ndarray:
        cache = reader.empty_cache(batch_size)
        ids = np.zeros((batch_size, 1), dtype=np.int64)
        for _ in range(config.block_size):
            ids = logits_array(reader, ids, cache)[:, -1].argmax(-1)[:, None]
        return ids

    return decode


def torch_decoder(config: GPTConfig, state: Mapping[str, np.ndarray], *, cached: bool) -> Step:
    """The same in PyTorch, with its KV cache or without. One thread."""
    import torch

    from ...models.gpt.torch import KVCache

    model = _torch_model(config, state).eval()

    def decode() -> object:
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return draw()
        finally:
            torch.set_num_threads(n_threads)

    def draw() -> object:
        with torch.inference_mode():
            cache = KVCache(config) if cached else None
            ids = torch.zeros((1, 1), dtype=torch.int64)
            for _ in range(config.block_size):
                unread = ids[:, -1:] if cached else ids
                new = model(unread, cache=cache)[:, -1:].argmax(-1)
                ids = torch.cat([ids, new], dim=1)
            return ids

    return decode


def has_torch() -> bool:
    """PyTorch is installed."""
    return find_spec("torch") is not None


def contender(shape: Shape, name: str) -> Step:
    """Our step or torch's, on the usual weights and batch."""
    state, batch = first_weights(shape.model), draw_batch(shape.model, shape.batch_size)
    return (our_step if name == "ours" else torch_step)(shape, state, batch)


def _torch_model(config: GPTConfig, state: Mapping[str, np.ndarray]) -> Any:
    from ...models.gpt.torch import TorchGPT

    model = TorchGPT(config)
    model.load_ours({name: weight.astype(np.float32) for name, weight in state.items()})
    return model
