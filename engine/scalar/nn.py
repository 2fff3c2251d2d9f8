"""Layers on lists of Values, with the names and shapes that the array layers have (engine/tensor/nn.py).

A layer starts as zeros (weights) and ones (gains); a model draws its weights and loads them.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..module import Module
from . import functional as F
from .value import Value

Vector = list[Value]
Matrix = list[list[Value]]


def vector(size: int, fill: float = 0.0) -> Vector:
    """(size,) leaves, each `fill`."""
    return [Value(fill) for _ in range(size)]


def matrix(rows: int, columns: int) -> Matrix:
    """(rows, columns) leaves, each 0."""
    return [vector(columns) for _ in range(rows)]


class Linear(Module):
    """y = W x + b       weight (out, in), bias (out,)"""

    def __init__(self, n_in: int, n_out: int, *, bias: bool = False) -> None:
        self.weight = matrix(n_out, n_in)
        self.bias = vector(n_out) if bias else None

    def __call__(self, x: Sequence[Value]) -> Vector:
        return F.linear(x, self.weight, self.bias)


class Embedding(Module):
    """y = row `index` of the weight       weight (n, C)"""

    def __init__(self, n: int, n_embd: int) -> None:
        self.weight = matrix(n, n_embd)

    def __call__(self, index: int) -> Vector:
        if not 0 <= index < len(self.weight):
            raise IndexError(
                f"embedding: id {index} is out of bounds: a table of {len(self.weight)} rows "
                f"takes 0 to {len(self.weight) - 1}"
            )
        return self.weight[index]


class RMSNorm(Module):
    """F.rms_norm, with a gain (C,) or without"""

    def __init__(self, size: int, *, gain: bool, eps: float) -> None:
        self.weight = vector(size, 1.0) if gain else None
        self.eps = eps

    def __call__(self, x: Sequence[Value]) -> Vector:
        return F.rms_norm(x, self.weight, eps=self.eps)


class LayerNorm(Module):
    """F.layer_norm, with gain (C,) and bias (C,) or without"""

    def __init__(self, size: int, *, gain: bool, bias: bool, eps: float) -> None:
        self.weight = vector(size, 1.0) if gain else None
        self.bias = vector(size) if bias else None
        self.eps = eps

    def __call__(self, x: Sequence[Value]) -> Vector:
        return F.layer_norm(x, self.weight, self.bias, eps=self.eps)


class DyT(Module):
    """F.dyt with alpha (1,), gain (C,) and bias (C,) or without"""

    def __init__(self, size: int, *, gain: bool, bias: bool) -> None:
        self.alpha = vector(1, 0.5)
        self.weight = vector(size, 1.0) if gain else None
        self.bias = vector(size) if bias else None

    def __call__(self, x: Sequence[Value]) -> Vector:
        return F.dyt(x, self.alpha[0], self.weight, self.bias)


class Identity(Module):
    """y = x: where a model has no norm"""

    def __call__(self, x: Sequence[Value]) -> Vector:
        return list(x)


Norm = RMSNorm | LayerNorm | DyT | Identity
