"""One comparison with nanochat: sizes, tokens, first weights and the recipe, the same for both sides.

Everything is drawn by Python's own random numbers, so that what was recorded once can be asked of us anywhere.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...models.gpt.upstream.config import UpstreamConfig
from ...models.gpt.upstream.recipe import JULY, PINNED, Edition, upstream_model, upstream_training
from ...models.parameters import draw_lists
from ...training.hyperparameters import TrainingConfig

EDITIONS: dict[str, Edition] = {"head": JULY, "pin": PINNED}
_SUCCESSORS = 4
"""Tokens that may follow one: a text that can be learned."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Sizes of a comparison. The defaults were recorded: small, with windows, grouped keys and all extras."""

    revision: str = "head"
    """head or pin."""
    n_layer: int = 4
    """Even, so that the middle layer is one; and the last layer would have a short window, were it not the last."""
    n_embd: int = 32
    n_head: int = 2
    n_kv_head: int = 1
    block_size: int = 256
    vocab_size: int = 50
    window_pattern: str = "SSL"
    rows: int = 1
    """Of a batch."""
    steps: int = 20
    warmup: int = 3
    warmdown: float = 0.525
    """Half of a step is left over in 20: both sides have to round it alike."""
    weight_decay: float = 0.28
    batch_scale: float = 0.125
    """The root of the batch over upstream's 2^19 tokens, which rates are multiplied with."""
    seed: int = 0
    text: str = ""
    """What is learned; "" draws tokens, each with four that may follow."""

    @property
    def edition(self) -> Edition:
        return EDITIONS[self.revision]

    @property
    def short_window(self) -> int:
        """Tokens to the left that a short window adds to the token itself, at either commit."""
        return -(-self.block_size // 4 // 128) * 128 if self.revision == "head" else self.block_size // 2

    @cached_property
    def model(self) -> UpstreamConfig:
        """Ours."""
        return upstream_model(
            self.n_layer,
            self.edition,
            n_embd=self.n_embd,
            n_head=self.n_head,
            n_kv_head=self.n_kv_head,
            block_size=self.block_size,
            vocab_size=self.vocab_size,
            window=self.short_window + 1,
            window_pattern=self.window_pattern,
        )

    @cached_property
    def training(self) -> TrainingConfig:
        """Ours: the preset's recipe with the case's numbers."""
        recipe = TrainingConfig(**upstream_training(self.n_layer, self.edition))
        return replace(
            recipe,
            lr=0.02 * self.batch_scale,
            steps=self.steps,
            warmup=self.warmup,
            warmdown=self.warmdown,
            weight_decay=self.weight_decay,
            replicas=1,
            grad_accum=1,
            batch_size=self.rows,
        )

    @property
    def their_config(self) -> dict[str, Any]:
        """The arguments of their GPTConfig."""
        return {
            "sequence_len": self.block_size,
            "vocab_size": self.vocab_size,
            "n_layer": self.n_layer,
            "n_head": self.n_head,
            "n_kv_head": self.n_kv_head,
            "n_embd": self.n_embd,
            "window_pattern": self.window_pattern,
        }

    def rows_of(self, name: str, n: int) -> np.ndarray:
        """n batches of rows of one token more than the context, for a purpose       -> (n, rows, T + 1) int64"""
        size = n * self.rows * (self.block_size + 1)
        draw = random.Random(f"{self.seed} {name}")
        if self.text:
            letters = {letter: i for i, letter in enumerate(sorted(set(self.text)))}
            starts = [draw.randrange(len(self.text) - self.block_size - 1) for _ in range(n * self.rows)]
            ids = [letters[letter] for start in starts for letter in self.text[start : start + self.block_size + 1]]
        else:
            ids = self._chain(size, draw)
        return np.array(ids, np.int64).reshape(n, self.rows, self.block_size + 1)

    def _chain(self, n: int, draw: random.Random) -> list[int]:
        table = random.Random(f"{self.seed} chain")
        follow = [[table.randrange(self.vocab_size) for _ in range(_SUCCESSORS)] for _ in range(self.vocab_size)]
        ids = [draw.randrange(self.vocab_size)]
        while len(ids) < n:
            ids.append(follow[ids[-1]][draw.randrange(_SUCCESSORS)])
        return ids

    def first_weights(self, seed: int = 0) -> dict[str, np.ndarray]:
        """As nanochat's init draws them."""
        lists = draw_lists(self.model.parameters(), random.Random(f"{self.seed} {seed} weights"))
        return {name: np.array(values) for name, values in lists.items()}

    def shaken_weights(self) -> dict[str, np.ndarray]:
        """Those and noise: with the first ones some gradients are 0, and Adam turns their rounding into full steps."""
        draw, found = random.Random(f"{self.seed} shaken"), {}
        for name, weight in self.first_weights().items():
            size = 0.5 / math.sqrt(weight.shape[-1]) if weight.ndim > 1 else 0.1
            noise = np.array([draw.gauss(0.0, size) for _ in range(weight.size)])
            found[name] = weight + noise.reshape(weight.shape)
        return found

    def batches(self, name: str) -> np.ndarray:
        """The batches of a curve: those of a seed, or with rows in the other order       -> (steps, rows, T + 1)"""
        rows = self.rows_of(f"batches {name.removeprefix('reversed ')}", self.steps)
        return rows[:, ::-1] if name.startswith("reversed") else rows

    def token_bytes(self) -> np.ndarray:
        """0 to 3 bytes a token, in turn: those of 0 are special ones."""
        return np.arange(self.vocab_size) % 4
