"""Training in single numbers, each a Value: one micro-batch after the other, row by row."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import ConfigError
from ...machine import one_blas_thread
from ...models.base import DType, Model, ModelConfig
from ...models.bigram.config import BigramConfig
from ...models.flops import flops_per_token, keys_of_a_token
from ..hyperparameters import TrainingConfig
from ..trainer import Accumulate, Optimizer, accumulate_in_turn
from .base import OneProcess, at_depth, attended_pairs, build_optimizer, n_parameters, n_slots

# Bytes, of CPython on 64 bits.
_LEAF, _LEAF_SLOT = 170, 32
"""Of a parameter, a Value without parents, and of a float in an optimizer's list."""
_NODE, _EDGE = 350, 16
"""Of a Value with its floats and tuples and its place in the set of ancestors; of a parent and local gradient."""
_SAVED = 16
"""Of a copy of a weight or slot while a checkpoint is written: a list's place, and an array's. No format needs more:
benchmarks/checkpoints.py --memory."""


class ScalarBackend(OneProcess):
    """The engine of Values."""

    name = "python"

    eval_rows = 1
    """Numbers waste time on padding."""

    def precision(self, dtype: str) -> DType:
        """Python floats are float64, whatever the dtype."""
        return "float64"

    def check(self, model: ModelConfig, settings: TrainingConfig) -> None:
        """Raises ConfigError for what only arrays do."""
        asked = {
            f"optimizer={settings.optimizer}": settings.optimizer not in ("sgd", "adam", "adamw"),
            f"agc={settings.agc}": settings.agc > 0,
            "centralize_gradients=true": settings.centralize_gradients,
            f"replicas={settings.replicas}": settings.replicas > 1,
        }
        for name, wanted in asked.items():
            if wanted:
                raise ConfigError(f"{name} is for arrays: use --mode tensor")
        if not isinstance(model, BigramConfig) and model.dropout > 0:
            raise ConfigError(f"dropout={model.dropout} is for arrays: use --mode tensor, or --set model.dropout=0")

    def replicas(self, settings: TrainingConfig, block_size: int) -> int:
        return settings.replicas or 1  # there are no threads

    def trained(self, model: Model) -> Model:
        return model

    def optimizer(self, model: Model, settings: TrainingConfig) -> Optimizer:
        from ...engine.scalar import optim

        rules = {"sgd": optim.SGD, "adam": optim.Adam, "adamw": optim.AdamW}
        return build_optimizer(rules, model, settings)

    def accumulate(self, model: Model, settings: TrainingConfig) -> Accumulate:
        return accumulate_in_turn(model)

    @contextmanager
    def session(self) -> Iterator[None]:
        """No cyclic garbage collection: graphs of Values have no cycles, and looking for some costs up to 3x."""
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            with one_blas_thread():
                yield
        finally:
            if was_enabled:
                gc.enable()

    def kept_bytes(self) -> int:
        return 0

    def peak_bytes(self, model: ModelConfig, settings: TrainingConfig, dtype: DType, T: int) -> int:
        """Leaves and slots; then nodes and edges of one micro-batch's graph (two where several follow each other), or a
        checkpoint's copies."""
        n_nodes, n_edges = _graph_size(model, T)
        graphs = (n_nodes * _NODE + n_edges * _EDGE) * settings.micro_batch_size
        if settings.micro_batches > 1:
            graphs *= 2  # the loss before keeps its graph until the next one stands
        n = n_parameters(model)
        leaves = n * (_LEAF + _LEAF_SLOT * n_slots(settings))
        return leaves + max(graphs, n * _SAVED * (1 + n_slots(settings)))


def _graph_size(model: ModelConfig, T: int) -> tuple[int, int]:
    """Nodes and edges of one row's loss. Each product with a weight is two edges, to the weight and to the input."""
    n_weights = at_depth(model, flops_per_token) // 6  # 6 N + 12 L H D T
    if isinstance(model, BigramConfig):
        return T * 2 * model.vocab_size, T * (2 * n_weights + 2 * model.vocab_size)
    C, L, H, V, F = model.n_embd, model.n_layer, model.n_head, model.vocab_size, model.hidden
    n_weights -= 2 * model.attn_width * at_depth(model, keys_of_a_token)
    pairs = attended_pairs(model, T) // L + T // 2
    single = T * (C * (2 + L * (12 if model.norm == "layer" else 11)) + L * 2 * F + V)  # x + y, norms, activations
    n_nodes = single + 4 * L * H * pairs
    return n_nodes, T * 2 * n_weights + 2 * single + L * (4 * model.attn_width + 6 * H) * pairs
