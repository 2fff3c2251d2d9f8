"""One comparison: the same numbers on both sides, a loss on each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from ...engine.scalar import Value
from ...engine.scalar import functional as S
from ...engine.tensor import Tensor


class Side(NamedTuple):
    """One engine's share: what can be varied, and the loss of it, built anew at each call."""

    parameters: Mapping[str, Any]
    loss: Callable[[], Any]
    probe: np.ndarray = np.ones(())
    """By which the output is multiplied before it is summed up to the loss."""
    third: Callable[[], Any] | None = None
    """Gives the same in PyTorch, a function from all that varies to the output; None where PyTorch is not compared."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """`build` draws the numbers from its stream and returns the scalar and the tensor side of them."""

    kind: Literal["op", "layer", "model"]
    name: str
    remark: str
    build: Callable[[np.random.Generator], tuple[Side, Side]]


def both_sides(
    parameters: Mapping[str, np.ndarray],
    scalar: Callable[..., Any],
    tensor: Callable[..., Tensor],
    rng: np.random.Generator,
) -> tuple[Side, Side]:
    """Sides whose loss is one random combination of the numbers that scalar(*values) and tensor(*tensors) return."""
    values = {name: to_values(array) for name, array in parameters.items()}
    tensors = {name: Tensor(array.copy(), requires_grad=True) for name, array in parameters.items()}
    probe = rng.standard_normal(tensor(*tensors.values()).shape)
    return (
        Side(values, lambda: combine(scalar(*values.values()), probe)),
        Side(tensors, lambda: (tensor(*tensors.values()) * probe).sum(), probe),
    )


def combine(output: Any, probe: np.ndarray) -> Value:
    """sum_i probe_i output_i of a nested list of Values"""
    flat = flatten(output)
    assert len(flat) == probe.size, "the scalar side returns as many numbers as the tensor side"
    return S.sum([y * float(p) for y, p in zip(flat, probe.reshape(-1), strict=True)])


def flatten(item: Any) -> list[Value]:
    """The Values of a nested list, in order."""
    return [value for child in item for value in flatten(child)] if isinstance(item, (list, tuple)) else [item]


def to_values(array: Any) -> Any:
    """A nested list of Values of the same shape."""
    return [to_values(row) for row in array] if np.ndim(array) else Value(float(array))


def gradient_of(parameter: Any) -> np.ndarray:
    """dL/dp as an array, whichever engine p is of."""
    if isinstance(parameter, Tensor):
        return np.zeros(parameter.shape) if parameter.grad is None else parameter.grad.copy()
    return np.array(_gradients(parameter))


def _gradients(item: Any) -> Any:
    return [_gradients(child) for child in item] if isinstance(item, list) else item.grad
