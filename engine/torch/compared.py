"""A loss and its gradients in PyTorch, from arrays and as arrays: the third column of a certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from .flat import to_array

Spelling = Callable[[Mapping[str, torch.Tensor]], torch.Tensor]
"""From everything that is varied, by name, to the output."""


def loss_and_gradients(
    spelling: Spelling, arrays: Mapping[str, np.ndarray], probe: np.ndarray
) -> tuple[float, dict[str, np.ndarray]]:
    """sum_i probe_i output_i, and the gradient of each array, in float64."""
    with double_precision():
        leaves = {name: torch.tensor(array, dtype=torch.float64, requires_grad=True) for name, array in arrays.items()}
        loss = (spelling(leaves) * torch.tensor(probe)).sum()
        loss.backward()
    zero = torch.zeros(())
    return loss.item(), {
        name: to_array(zero.expand(leaf.shape) if leaf.grad is None else leaf.grad) for name, leaf in leaves.items()
    }


def of_op(name: str, static: Mapping[str, Any]) -> Spelling:
    """The op of that name, applied to all leaves in their order."""
    from .functional import OPS

    given = {key: torch.as_tensor(x) if isinstance(x, np.ndarray) else x for key, x in static.items()}
    return lambda leaves: OPS[name](*leaves.values(), **given)


def of_net(net: torch.nn.Module, *inputs: Any, **named: Any) -> Spelling:
    """A module with the leaves as its parameters, called with `inputs`, or with the leaf `x` where there is one."""
    given, others = ([to_tensor(x) for x in inputs], {key: to_tensor(x) for key, x in named.items()})

    def call(leaves: Mapping[str, torch.Tensor]) -> torch.Tensor:
        weights = {name: leaf for name, leaf in leaves.items() if name != "x"}
        first = [leaves["x"], *given] if "x" in leaves else given
        output: torch.Tensor = torch.func.functional_call(net, weights, tuple(first), others)
        return output

    return call


@contextmanager
def double_precision() -> Iterator[None]:
    """Inside, what is built has float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def of_layer(name: str, *sizes: int, **options: Any) -> Spelling:
    """A layer of torch.nn."""
    return of_net(getattr(torch.nn, name)(*sizes, **options))


def to_tensor(x: Any) -> Any:
    """Of an array; anything else as it is."""
    return torch.as_tensor(x) if isinstance(x, np.ndarray) else x
