"""Layers on Tensors, with the names and shapes that the lists of Values have (engine/scalar/nn.py).

A layer starts as zeros (weights) and ones (gains); a model draws its weights and loads them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..module import Module
from . import ops
from .tensor import Tensor, apply


def parameter(*shape: int, fill: float = 0.0, dtype: Any = np.float32) -> Tensor:
    """A leaf of `shape`, each number `fill`, that requires a gradient."""
    return Tensor(np.full(shape, fill, dtype), requires_grad=True)


class Linear(Module):
    """y = x weight^T + bias       weight (out, in), bias (out,)"""

    def __init__(self, n_in: int, n_out: int, *, bias: bool = False, dtype: Any = np.float32) -> None:
        self.weight = parameter(n_out, n_in, dtype=dtype)
        self.bias = parameter(n_out, dtype=dtype) if bias else None

    def __call__(self, x: Tensor) -> Tensor:
        return apply(ops.linear, x, self.weight, self.bias)


class Embedding(Module):
    """y = the rows of the weight named by ids       weight (n, C), ids (...) int -> (..., C)"""

    def __init__(self, n: int, n_embd: int, *, dtype: Any = np.float32) -> None:
        self.weight = parameter(n, n_embd, dtype=dtype)

    def __call__(self, ids: np.ndarray) -> Tensor:
        return apply(ops.embedding, self.weight, ids=ids)


class RMSNorm(Module):
    """F.rms_norm, with a gain (C,) or without"""

    def __init__(self, size: int, *, gain: bool = True, eps: float = 1e-5, dtype: Any = np.float32) -> None:
        self.weight = parameter(size, fill=1.0, dtype=dtype) if gain else None
        self.eps = eps

    def __call__(self, x: Tensor) -> Tensor:
        return apply(ops.rms_norm, x, self.weight, eps=self.eps)


class LayerNorm(Module):
    """F.layer_norm, with gain (C,) and bias (C,) or without"""

    def __init__(
        self, size: int, *, gain: bool = True, bias: bool = True, eps: float = 1e-5, dtype: Any = np.float32
    ) -> None:
        self.weight = parameter(size, fill=1.0, dtype=dtype) if gain else None
        self.bias = parameter(size, dtype=dtype) if bias else None
        self.eps = eps

    def __call__(self, x: Tensor) -> Tensor:
        return apply(ops.layer_norm, x, self.weight, self.bias, eps=self.eps)


class DyT(Module):
    """F.dyt with alpha (1,), gain (C,) and bias (C,) or without"""

    def __init__(self, size: int, *, gain: bool = True, bias: bool = True, dtype: Any = np.float32) -> None:
        self.alpha = parameter(1, fill=0.5, dtype=dtype)
        self.weight = parameter(size, fill=1.0, dtype=dtype) if gain else None
        self.bias = parameter(size, dtype=dtype) if bias else None

    def __call__(self, x: Tensor) -> Tensor:
        return apply(ops.dyt, x, self.alpha, self.weight, self.bias)


class Identity(Module):
    """y = x: where a model has no norm"""

    def __call__(self, x: Tensor) -> Tensor:
        return x


class Dropout(Module):
    """F.dropout with probability p, from a stream that the layers of a model share

    `training` is set by the model's owner; outside training, and with p = 0, y = x and no stream is kept.
    """

    def __init__(self, p: float, rng: np.random.Generator) -> None:
        self.p = p
        self.rng = rng if p else None  # a stream that is never drawn from would still be seeded at every step
        self.training = True

    def __call__(self, x: Tensor) -> Tensor:
        return apply(ops.dropout, x, p=self.p, rng=self.rng) if self.training and self.p else x


Norm = RMSNorm | LayerNorm | DyT | Identity
