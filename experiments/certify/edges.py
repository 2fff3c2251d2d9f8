"""Where formulas end: nan in each place, infinities, nothing at all, and targets that are no class, in both engines.

One table for all: `certify` runs it through both engines, the tests of the oracle through PyTorch too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from ...engine.scalar import Value
from ...engine.scalar import functional as S
from ...engine.scalar.optim import SGD as ScalarSGD
from ...engine.tensor import Tensor
from ...engine.tensor import functional as F
from ...engine.tensor.optim import SGD
from .case import combine, flatten, gradient_of, to_values
from .finding import Finding
from .replay import Outcome, Replayed

NUMBERS = (1.0, -2.5, math.nan, math.inf, -math.inf, 700.0)
"""Each in each of three places: 216 vectors."""
TRIPLES = [np.array(numbers) for numbers in product(NUMBERS, repeat=3)]
OTHERS = [np.array(numbers) for numbers in ([], [5.0], [math.nan], [1e200, -1e200], [0.0, 0.0, 0.0], [-0.0, 1e-300])]
TARGETS = (0, 1, 2, -1, -2, -100, 3, 1 << 40)
"""Of three classes: each of them, the one that is ignored, and what is refused."""
ROWS = [
    (np.array([[0.5, -1.0, 2.0], [first, second, 1.0], [3.0, 0.0, -2.0]]), np.array(targets))
    for first, second in product(NUMBERS, repeat=2)
    for targets in ([0, -1, 2], [-1, -1, 1], [-1, -1, -1], [0, 1, 2])
]
"""Logits whose second row is strange, and mostly ignored."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """Both engines on the same inputs, each input a tuple of arrays."""

    name: str
    remark: str
    inputs: Sequence[tuple[np.ndarray, ...]]
    scalar: Callable[..., Outcome]
    tensor: Callable[..., Outcome]
    compiled: Callable[..., Outcome] | None = None
    """The scalar side, replayed; None where there is no graph to replay."""
    kind: str = "edge"

    def examine(self) -> Finding:
        """The worst disagreement over all inputs: of results, and of gradients."""
        value_error = gradient_error = compiled_error = 0.0
        with np.errstate(all="ignore"):
            for arrays in self.inputs:
                scalar = self.scalar(*arrays)
                errors = edge_errors(self.tensor(*arrays), scalar)
                if self.compiled is not None:
                    compiled_error = max(compiled_error, *edge_errors(self.compiled(*arrays), scalar))
                value_error = max(value_error, errors[0])
                gradient_error = max(gradient_error, *errors)
        return Finding(
            kind=self.kind,
            name=self.name,
            remark=f"{len(self.inputs)} inputs; {self.remark}",
            n_numbers=sum(array.size for arrays in self.inputs for array in arrays),
            loss=0.0,
            loss_error=value_error,
            gradient_errors={"x": gradient_error},
            slope_errors={},
            scalar_slope_errors={},
            compiled_error=compiled_error,
        )


def edge_cases() -> list[Edge]:
    """Every loss, norm, softmax, mean and clipping, and the functions of one number that are made of branches."""
    vectors = [(x,) for x in [*TRIPLES, *OTHERS]]
    numbers = [(np.array([x]),) for x in (*NUMBERS, 0.0, -0.0, 1e-320, -1e200, 1e200)]
    return [
        _edge("softmax", vectors, S.softmax, F.softmax),
        _edge("mean", vectors, lambda x: S.mean(x), F.mean),
        _edge("sum", vectors, lambda x: S.sum(x), F.sum),
        _edge("layer_norm", vectors, S.layer_norm, lambda x: F.layer_norm(x, None, None)),
        _edge("rms_norm", vectors, S.rms_norm, lambda x: F.rms_norm(x, None)),
        _edge("dyt", vectors, lambda x: S.dyt(x, Value(0.5)), lambda x: F.dyt(x, Tensor([0.5]), None, None)),
        *(_cross_entropy(target, vectors) for target in TARGETS),
        Edge(
            name="cross_entropy (rows)",
            remark="the mean over the rows that count",
            inputs=ROWS,
            scalar=lambda z, y: _differentiate(lambda rows: _mean_loss(rows, y), z),
            tensor=lambda z, y: _differentiate_tensor(lambda logits: F.cross_entropy(logits, targets=y), z),
            compiled=lambda z, y: _replayed_rows(tuple(y.tolist()))(z),
        ),
        *(_edge(name, numbers, _each(f), getattr(F, name)) for name, f in _FUNCTIONS.items()),
        *(
            _edge(f"power {p:g}", numbers, _each(lambda v, p=p: v**p), lambda x, p=p: F.power(x, exponent=p))  # type: ignore[misc]
            for p in (0.0, 0.5, -0.5, -1.0, 1.0, 2.0, 3.0, 1.5)
        ),
        Edge(
            name="clip_gradients",
            remark="to a norm of 1",
            inputs=[*vectors, (np.array([1e154, 1e154]),), (np.array([1e200]),), (np.array([3.0, 4.0]),)],
            scalar=clip_scalar,
            tensor=clip_tensor,
        ),
    ]


def edge_errors(ours: Outcome, other: Outcome) -> list[float]:
    """The error of each array: 0 where both refuse alike, inf where one is nan, or infinite, and the other is not."""
    if isinstance(ours, str) or isinstance(other, str):
        return [0.0 if ours == other else math.inf]
    return [_distance(a, b) for a, b in zip(ours, other, strict=True)]


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """max|a - b| / max(1, |b|), where nan is nan and infinity is infinity"""
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return math.inf
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if not (same | np.isfinite(a)).all():
        return math.inf
    rest = np.abs(a[~same] - b[~same]) / np.maximum(1.0, np.abs(b[~same]))
    return float(rest.max(initial=0.0))


def _edge(
    name: str, inputs: Sequence[tuple[np.ndarray, ...]], scalar: Callable[..., Any], tensor: Callable[..., Tensor]
) -> Edge:
    return Edge(
        name=name,
        remark="result and gradient",
        inputs=inputs,
        scalar=lambda *arrays: _differentiate(scalar, *arrays),
        tensor=lambda *arrays: _differentiate_tensor(tensor, *arrays),
        compiled=Replayed(scalar),
    )


def _cross_entropy(target: int, vectors: Sequence[tuple[np.ndarray, ...]]) -> Edge:
    targets = np.array([target])
    return _edge(
        f"cross_entropy (target {target})",
        vectors,
        lambda z: S.cross_entropy(z, target),
        lambda z: F.cross_entropy(z.reshape(1, z.size), targets=targets),
    )


def _mean_loss(rows: Any, targets: Sequence[int] | np.ndarray) -> Value:
    """As the scalar models take it"""
    losses = [S.cross_entropy(row, int(y)) for row, y in zip(rows, targets, strict=True) if y != -1]
    return S.mean(losses) if losses else Value(0.0)


@cache
def _replayed_rows(targets: tuple[int, ...]) -> Replayed:
    """The mean loss of rows with these targets, compiled once."""
    return Replayed(lambda rows: _mean_loss(rows, targets))


_FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "exp": Value.exp,
    "log": Value.log,
    "sqrt": Value.sqrt,
    "tanh": Value.tanh,
    "abs": abs,
    "relu": Value.relu,
    "silu": lambda v: v * v.sigmoid(),
}


def _each(f: Callable[[Value], Value]) -> Callable[[list[Value]], list[Value]]:
    return lambda xs: [f(x) for x in xs]


def _differentiate(f: Callable[..., Any], *arrays: np.ndarray) -> Outcome:
    values = [to_values(array) for array in arrays]
    try:
        y = flatten(f(*values))
    except (ValueError, IndexError) as error:
        return type(error).__name__
    combine(y, np.cos(np.arange(len(y)))).backward()
    return [np.array([v.data for v in y]), *map(gradient_of, values)]


def _differentiate_tensor(f: Callable[..., Tensor], *arrays: np.ndarray) -> Outcome:
    tensors = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    try:
        y = f(*tensors)
    except (ValueError, IndexError) as error:
        return type(error).__name__
    (y * np.cos(np.arange(y.size)).reshape(y.shape)).sum().backward()
    return [y.data.reshape(-1), *map(gradient_of, tensors)]


def clip_scalar(gradients: np.ndarray) -> Outcome:
    """The norm, and the gradients clipped to 1."""
    leaves = [Value(0.0) for _ in gradients]
    for leaf, g in zip(leaves, gradients, strict=True):
        leaf.grad = float(g)
    norm = ScalarSGD([("x", leaves)], max_grad_norm=1.0).clip_gradients()
    return [np.array(norm), np.array([leaf.grad for leaf in leaves])]


def clip_tensor(gradients: np.ndarray) -> Outcome:
    """The norm, and the gradients clipped to 1."""
    x = Tensor(np.zeros(gradients.shape), requires_grad=True)
    x.grad = gradients.copy()
    norm = SGD([("x", x)], max_grad_norm=1.0).clip_gradients()
    assert x.grad is not None
    return [np.array(norm), x.grad]
