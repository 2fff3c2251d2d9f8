"""How much memory a run will take, from its config alone, and how much there is: so that one too large never starts.

The constants are measured: the peak of a `nanochat train` process, on Linux with glibc.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...errors import GuardError
from ...machine import available_bytes
from ...models.base import ModelConfig
from ...models.bigram.config import BigramConfig
from ...models.flops import flops_per_token
from ...models.parameters import count_parameters
from ..config import RunConfig

_PROCESS, _REPORT = 76 << 20, 99 << 20
"""Bytes of a process that trains next to nothing, and of one that then draws a figure of it."""
_TOKEN = {"stream": 8, "documents": 25, "auto": 25, "chat": 25}
"""Bytes of a token of the corpus: its text, a copy of it, its id; short documents are a Python string each."""
_PAIR = 26
"""Bytes of a token that a bigram's counts are taken from."""
_SAVED = 16
"""Bytes of a copy of a weight or slot of scalar mode while a checkpoint is written: a list's place, and an array's.
No format needs more: benchmarks/checkpoints.py --memory."""
_EVALUATED_ROWS = 32
"""Rows of a validation batch of arrays (prepare.py)."""
_SLOTS = {"sgd": 0, "adam": 2, "adamw": 2, "muon": 2}

# Scalar mode, CPython on 64 bits.
_LEAF, _LEAF_SLOT = 170, 32
"""Bytes of a parameter, a Value without parents, and of a float in an optimizer's list."""
_NODE, _EDGE = 350, 16
"""Bytes of a Value with its floats and tuples and its place in the set of ancestors; of a parent and local gradient."""


def check_memory(config: RunConfig, n_train_tokens: int) -> None:
    """Raises GuardError where the run's predicted peak exceeds what is available; passes where nobody knows."""
    predicted, available = predict_peak_bytes(config, n_train_tokens), available_bytes()
    if available is not None and predicted > available:
        sizes = [f"batch_size={config.training.batch_size}", f"block_size={config.model.block_size}"]
        if not isinstance(config.model, BigramConfig):
            sizes.append(f"n_embd={config.model.n_embd}")
        raise GuardError(
            f"this run would need about {predicted >> 20:,} MiB of memory and {available >> 20:,} MiB are available: "
            f"lower {', '.join(sizes[:-1])} or {sizes[-1]}"
        )


def predict_peak_bytes(config: RunConfig, n_train_tokens: int) -> int:
    """The most memory that the process of this run holds at once, within about a fifth.

    In tensor mode  P b (2 + slots + replicas) + activations of the batch, or P b (1 + slots) of copies
    while a checkpoint is written;
    in scalar mode  leaves and their slots + nodes and edges of one micro-batch's graph.
    P parameters of b bytes. Rows of documents are taken to be as long as block_size.
    """
    n_parameters = _at_depth(config.model, lambda model: count_parameters(model.parameters()))
    a_token = _TOKEN[config.data.layout] + (_PAIR if isinstance(config.model, BigramConfig) else 0)
    measure = _scalar_bytes if config.mode == "scalar" else _tensor_bytes
    T = min(config.model.block_size, n_train_tokens)
    peak = _PROCESS + n_train_tokens * a_token + measure(config, n_parameters, T)
    return max(_REPORT, peak)


def _tensor_bytes(config: RunConfig, n_parameters: int, T: int) -> int:
    """Parameters, gradients, slots, a gradient buffer a replica; then the largest of what comes and goes."""
    settings, width = config.training, 4 if config.dtype == "float32" else 8
    held = n_parameters * width * (2 + _slots(config) + max(1, settings.replicas))
    training = _activation_numbers(config.model, settings.batch_size, T) * width
    evaluated = min(_EVALUATED_ROWS, -(-(settings.eval_tokens or _EVALUATED_ROWS * T) // T))
    evaluation = _forward_numbers(config.model, evaluated, T) * width
    activations = max(training, evaluation)
    saving = (
        n_parameters * width * (1 + _slots(config)) + activations // 2
    )  # of freed activations, about half can be used again
    return held + max(activations, saving)


def _activation_numbers(model: ModelConfig, B: int, T: int) -> int:
    """Numbers that a batch leaves for backward, and backward's own: L (8.6 C + 3.6 F) + 3.2 F + 5 V a token

    F is the output of the MLP's first layer; besides 1.1 L H for each pair of tokens that attend.
    """
    if isinstance(model, BigramConfig):
        return 8 * B * T * model.vocab_size
    wide = model.hidden * (2 if model.activation == "swiglu" else 1)
    a_token = model.n_layer * (8.6 * model.n_embd + 3.6 * wide) + 3.2 * wide + 5 * model.vocab_size
    return int(B * (T * a_token + 1.1 * model.n_layer * model.n_head * _pairs(model.window, T)))


def _forward_numbers(model: ModelConfig, B: int, T: int) -> int:
    """Numbers of one layer at work without a graph, and of logits in float64."""
    if isinstance(model, BigramConfig):
        return 6 * B * T * model.vocab_size
    wide = model.hidden * (2 if model.activation == "swiglu" else 1)
    a_token = 4 * model.n_embd + 3 * wide + 5 * model.vocab_size
    return int(B * (T * a_token + 1.1 * model.n_head * _pairs(model.window, T)))


def _scalar_bytes(config: RunConfig, n_parameters: int, T: int) -> int:
    """Leaves, and the graphs of one micro-batch (of two where several follow each other), or a checkpoint's copies."""
    n_nodes, n_edges = _graph_size(config.model, T)
    graphs = (n_nodes * _NODE + n_edges * _EDGE) * config.training.micro_batch_size
    if config.training.micro_batches > 1:
        graphs *= 2  # the loss before keeps its graph until the next one stands
    leaves = n_parameters * (_LEAF + _LEAF_SLOT * _slots(config))
    return leaves + max(graphs, n_parameters * _SAVED * (1 + _slots(config)))


def _graph_size(model: ModelConfig, T: int) -> tuple[int, int]:
    """Nodes and edges of one row's loss. Each product with a weight is two edges, to the weight and to the input."""
    n_weights = _at_depth(model, flops_per_token) // 6  # 6 N + 12 L C T
    if isinstance(model, BigramConfig):
        return T * 2 * model.vocab_size, T * (2 * n_weights + 2 * model.vocab_size)
    C, L, H, V, F = model.n_embd, model.n_layer, model.n_head, model.vocab_size, model.hidden
    n_weights -= 2 * L * C * min(model.window or model.block_size, model.block_size)
    pairs = _pairs(model.window, T) + T // 2
    single = T * (C * (2 + L * (12 if model.norm == "layer" else 11)) + L * 2 * F + V)  # x + y, norms, activations
    n_nodes = single + 4 * L * H * pairs
    return n_nodes, T * 2 * n_weights + 2 * single + L * (4 * C + 6 * H) * pairs


def _slots(config: RunConfig) -> int:
    """Numbers that the optimizer remembers for each parameter."""
    return _SLOTS[config.training.optimizer] or int(config.training.momentum > 0)


def _pairs(window: int, T: int) -> int:
    """(query, key) pairs that attend: half a square, or a band as wide as the window."""
    reach = min(window or T, T)
    return reach * T - reach * reach // 2


def _at_depth(model: ModelConfig, count: Callable[[ModelConfig], int]) -> int:
    """`count` of the model, known to grow linearly with its layers: in no time, however many there are."""
    if isinstance(model, BigramConfig):
        return count(model)
    one, two = (count(replace(model, n_layer=n)) for n in (1, 2))
    return one + (model.n_layer - 1) * (two - one)
