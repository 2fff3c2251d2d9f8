"""The tensor side once more in PyTorch: the same numbers, in float64, through engine/torch and models/*/torch.py.

PyTorch is imported when a column of it is asked for (`certify --backend torch`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...models.base import ModelConfig
from ...models.bigram.config import BigramConfig
from ...models.gpt.config import GPTConfig
from ...models.gpt.upstream.config import UpstreamConfig
from .case import Side, gradient_of

_ROUNDS = "scores of 1e14, whose gradient PyTorch's softmax rounds to 1e-8"
NOT_IN_TORCH = {"attention (saturated)": _ROUNDS, "attention (one key)": _ROUNDS}
"""Compared between our spellings alone, and why."""


def torch_errors(side: Side, loss: float, error: Any) -> dict[str, float]:
    """`error` between PyTorch and the tensor side, whose gradients are there: of the loss, and by name."""
    if side.third is None:
        return {}
    from ...engine.torch.compared import loss_and_gradients

    arrays = {name: parameter.data for name, parameter in side.parameters.items()}
    found, gradients = loss_and_gradients(side.third(), arrays, side.probe)
    expected = {name: gradient_of(parameter) for name, parameter in side.parameters.items()}
    return {"loss": error(found, loss), **{name: error(gradients[name], expected[name]) for name in expected}}


def op(name: str, static: Mapping[str, Any]) -> Any:
    """The op of this name, up to a bracket."""
    from ...engine.torch.compared import of_op

    return of_op(name.partition(" (")[0], static)


def layer(name: str, *sizes: int, **options: Any) -> Any:
    """The layer of engine/tensor/nn of this name, as PyTorch or models/gpt/torch.py has it."""
    from ...engine.torch.compared import double_precision, of_layer, of_net
    from ...models.gpt import torch as gpt

    kinds = {"RMSNorm": "rms", "LayerNorm": "layer", "DyT": "dyt"}
    with double_precision():
        if name in kinds:
            gain, bias = options.get("gain", False), options.get("bias", False)
            eps = {"norm_eps": options["eps"]} if "eps" in options else {}
            config = GPTConfig(n_embd=sizes[0], norm=kinds[name], norm_gain=gain, norm_bias=bias, **eps)  # type: ignore[arg-type]
            return of_net(gpt.make_norm(config))
        return of_layer(name, *sizes, **options)


def embedding(ids: np.ndarray) -> Any:
    """Rows of a table, of which one is taken twice."""
    from ...engine.torch.compared import of_op

    return of_op("embedding", {"ids": ids})


def part(name: str, config: GPTConfig, segments: np.ndarray) -> Any:
    """Attention, MLP or Block of models/gpt/torch.py, on one row of two segments."""
    from ...engine.torch.compared import double_precision, of_net, to_tensor
    from ...engine.torch.functional import rotations, same_segment
    from ...models.gpt import torch as gpt

    with double_precision():
        if name == "MLP":
            return of_net(gpt.MLP(config))
        net = getattr(gpt, name)(config, 0)
        turns = rotations(len(segments), config.head_size, config.rope_base) if config.positions == "rope" else None
        call = of_net(net, turns, None, same_segment(to_tensor(segments)[None]))
    return lambda leaves: call({**leaves, "x": leaves["x"][None]})


def model(config: ModelConfig, inputs: np.ndarray, targets: np.ndarray, segments: np.ndarray) -> Any:
    """The loss of a whole model."""
    from ...engine.torch.compared import double_precision, of_net

    with double_precision():
        if isinstance(config, BigramConfig):
            from ...models.bigram.torch import TorchBigram

            return of_net(TorchBigram(config), inputs, targets)
        if isinstance(config, UpstreamConfig):
            from ...models.gpt.upstream.torch import UpstreamTorchGPT

            return of_net(UpstreamTorchGPT(config), inputs, targets, segments=segments)
        from ...models.gpt.torch import TorchGPT

        return of_net(TorchGPT(config), inputs, targets, segments=segments)
