"""Muon and AdamW by groups of parameters, each with its own rate: the optimizer of karpathy/nanochat, as formulas.

Which parameter belongs to which group is data (training/backends/groups.py). What was added to Muon are switches.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from .muon import orthogonalize
from .optim import Optimizer
from .tensor import Tensor

Array = np.ndarray
POLAR_EXPRESS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)
"""a, b, c of five quintics, each the best after those before it: Amsel et al. 2025, arXiv:2505.16932, safety 0.02."""
TINY, LEAST_MOMENT = 1e-6, 1e-10
"""Below these a norm or a mean square is no divisor."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """AdamW for the parameters whose names match a pattern (as in a shell); the first group that matches has them."""

    pattern: str
    rate: float
    """Times the rate of a step; of a `fixed` one times that over the base rate: it keeps its size whatever lr is."""
    fixed: bool = False
    betas: tuple[float, float]
    weight_decay: float = 0.0


@dataclass(frozen=True, kw_only=True)
class MuonRules:
    """What is done to a matrix's momentum before it is a step; each is a switch."""

    polar_express: bool = True
    """Polar Express makes it orthogonal; else Keller Jordan's quintic, five times, does."""
    safety: float = 1.01
    """It is divided by so many times its Frobenius norm first."""
    equalize_rows: bool = True
    """Its rows get the same norm first: MuonEq, arXiv:2603.28254."""
    renormalize: bool = True
    """The result gets the norm of an orthogonal matrix, sqrt(min(out, in)): Muon+, arXiv:2602.21545."""
    variance: bool = True
    """Rows (columns of a wide matrix) that moved much move less, the norm kept: NorMuon, Li et al. 2025,
    arXiv:2510.05491."""
    beta2: float = 0.9
    """Decay of the mean square that `variance` goes by."""
    cautious: bool = True
    """Only weights that the step moves towards 0 decay, too: after Liang et al. 2024, arXiv:2411.16085."""


class GroupedMuon(Optimizer):
    """Matrices that no group has:  u += (1 - momentum) (g - u);  x = rules(g + momentum (u - g));
    p -= lr sqrt(max(1, out / in)) (x + decay p), decay only where x p >= 0 if cautious.   Others: their group's AdamW.

    parts     {pattern: rows}: such a matrix is several under each other, each with a step of its own: q, k and v.
    base_lr   The rate at which a `fixed` group has its own.
    Raises ValueError for a parameter of one dimension that no group has.
    """

    slots = ("m", "v")  # Muon keeps u in m, and the mean squares of its rows or columns in the first column or row of v

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, Tensor]],
        *,
        groups: tuple[Group, ...],
        rules: MuonRules,
        parts: Mapping[str, tuple[int, ...]],
        base_lr: float,
        momentum: float = 0.95,
        eps: float = 1e-10,
        **shared: Any,
    ) -> None:
        super().__init__(named_parameters, **shared)
        self.rules, self.base_lr, self.momentum, self.eps = rules, base_lr, momentum, eps
        shapes = {name: parameter.shape for name, parameter in self.flat.parameters.items()}
        self.adamw, self.muon = assigned(shapes, groups, parts)

    def step(self, lr: float) -> None:
        self.n_steps += 1
        m, v = (self.flat.views(self.memory[slot]) for slot in self.slots)
        for name, group in self.adamw:
            rate = group.rate * (lr / self.base_lr if group.fixed else lr)
            self._adamw(self.flat.parameters[name], m[name], v[name], group, rate)
        for name, rows in self.muon:
            parameter = self.flat.parameters[name]
            assert parameter.grad is not None, "Flat gives every parameter a gradient"
            p, u = parameter.data[rows], m[name][rows]
            u += (1 - self.momentum) * (parameter.grad[rows] - u)
            x = self._direction(parameter.grad[rows] + self.momentum * (u - parameter.grad[rows]), v[name][rows])
            rate = lr * math.sqrt(max(1.0, p.shape[0] / p.shape[1]))
            decayed = p * (x * p >= 0) if self.rules.cautious else p
            p -= rate * x + (rate * self.weight_decay * self.decay_factor) * decayed

    def _adamw(self, parameter: Tensor, m: Array, v: Array, group: Group, lr: float) -> None:
        """p -= lr (m_hat / (sqrt(v_hat) + eps) + decay p)"""
        (b1, b2), p, g = group.betas, parameter.data, parameter.grad
        assert g is not None, "Flat gives every parameter a gradient"
        p *= 1 - lr * group.weight_decay
        m += (1 - b1) * (g - m)
        v += (1 - b2) * (g * g - v)
        p -= lr / (1 - b1**self.n_steps) * (m / (np.sqrt(v / (1 - b2**self.n_steps)) + self.eps))

    def _direction(self, x: Array, v: Array) -> Array:
        """The step of a matrix, before its rate       x, v (out, in) -> (out, in)"""
        rules = self.rules
        if rules.equalize_rows:
            x = x * (_norm(x) / math.sqrt(len(x)) / np.maximum(_row_norms(x), TINY))
        x = polar_express(x, rules.safety) if rules.polar_express else orthogonalize(x)
        if rules.renormalize:
            x = x * (math.sqrt(min(x.shape)) / max(_norm(x), TINY))
        return evened(x, v, rules.beta2) if rules.variance else x


def polar_express(g: Array, safety: float = 1.01) -> Array:
    """About U V^T, where g = U S V^T, by five quintics       (out, in) -> (out, in)       arXiv:2505.16932"""
    x = g.T if g.shape[0] > g.shape[1] else g  # the smaller side makes the smaller products
    x = x / (_norm(x) * safety + TINY)
    for a, b, c in POLAR_EXPRESS:
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if g.shape[0] > g.shape[1] else x


def evened(x: Array, v: Array, beta2: float) -> Array:
    """x, each row (of a wide matrix each column) over the root of its mean square so far, with the norm of x

    x, v (out, in) -> (out, in); the mean squares are kept in v[:, :1] or v[:1].       arXiv:2510.05491
    """
    axis = 1 if x.shape[0] >= x.shape[1] else 0
    mean, kept = (x * x).mean(axis, keepdims=True), v[:, :1] if axis else v[:1]
    kept += (1 - beta2) * (mean - kept)
    size = 1 / np.sqrt(np.maximum(kept, LEAST_MOMENT))
    n = x.shape[axis]
    now = math.sqrt(float((mean * n * size * size).sum()))
    return np.asarray(x * (size * (math.sqrt(float(mean.sum()) * n) / max(now, LEAST_MOMENT))))


def assigned(
    shapes: Mapping[str, tuple[int, ...]], groups: Iterable[Group], parts: Mapping[str, tuple[int, ...]]
) -> tuple[list[tuple[str, Group]], list[tuple[str, slice]]]:
    """(name, group) of what AdamW moves, (name, rows) of what Muon does. Raises ValueError for what neither takes."""
    adamw: list[tuple[str, Group]] = []
    muon: list[tuple[str, slice]] = []
    for name, shape in shapes.items():
        group = next((group for group in groups if fnmatchcase(name, group.pattern)), None)
        if group is not None:
            adamw.append((name, group))
        elif len(shape) == 2:
            muon += ((name, rows) for rows in _row_parts(name, shape[0], parts))
        else:
            raise ValueError(f"{name} of shape {shape} is in no group, and Muon moves matrices")
    return adamw, muon


def _row_parts(name: str, n_rows: int, parts: Mapping[str, tuple[int, ...]]) -> Iterator[slice]:
    """The rows of each matrix that lies in this one."""
    start = 0
    for size in next((sizes for pattern, sizes in parts.items() if fnmatchcase(name, pattern)), (n_rows,)):
        yield slice(start, start + size)
        start += size
    assert start == n_rows, f"{name} has {n_rows} rows, its parts {start}"


def _norm(x: Array) -> float:
    """Frobenius"""
    return math.sqrt(float(np.vdot(x, x)))


def _row_norms(x: Array) -> Array:
    """(out, in) -> (out, 1)"""
    return np.sqrt(np.vecdot(x, x))[:, None]
