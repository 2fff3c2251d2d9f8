"""Muon and AdamW by groups in PyTorch: engine/tensor/grouped.py line by line, whose groups and rules these are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..tensor.grouped import LEAST_MOMENT, POLAR_EXPRESS, TINY, Group, MuonRules, assigned
from .optim import Optimizer, orthogonalize


class GroupedMuon(Optimizer):
    """Matrices that no group has by Muon, by these rules; the others by their group's AdamW."""

    slots = ("m", "v")

    def __init__(
        self,
        named_parameters: Any,
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
        shapes = {name: tuple(parameter.shape) for name, parameter in self.flat.parameters.items()}
        self.adamw, self.muon = assigned(shapes, groups, parts)

    @torch.no_grad()
    def step(self, lr: float) -> None:
        self.n_steps += 1
        m, v = (self.flat.views(self.memory[slot]) for slot in self.slots)
        for name, group in self.adamw:
            rate = group.rate * (lr / self.base_lr if group.fixed else lr)
            self._adamw(self.flat.parameters[name], m[name], v[name], group, rate)
        for name, rows in self.muon:
            parameter = self.flat.parameters[name]
            p, g, u = parameter.data[rows], parameter.grad[rows], m[name][rows]
            u.add_((g - u) * (1 - self.momentum))
            x = self._direction(g + self.momentum * (u - g), v[name][rows])
            rate = lr * math.sqrt(max(1.0, p.shape[0] / p.shape[1]))
            decayed = p * (x * p >= 0) if self.rules.cautious else p
            p.sub_(rate * x + (rate * self.weight_decay * self.decay_factor) * decayed)

    def _adamw(self, parameter: Tensor, m: Tensor, v: Tensor, group: Group, lr: float) -> None:
        """p -= lr (m_hat / (sqrt(v_hat) + eps) + decay p)"""
        (b1, b2), p, g = group.betas, parameter.data, parameter.grad
        p.mul_(1 - lr * group.weight_decay)
        m.add_((g - m) * (1 - b1))
        v.add_((g * g - v) * (1 - b2))
        p.sub_(lr / (1 - b1**self.n_steps) * (m / ((v / (1 - b2**self.n_steps)).sqrt() + self.eps)))

    def _direction(self, x: Tensor, v: Tensor) -> Tensor:
        """The step of a matrix, before its rate       x, v (out, in) -> (out, in)"""
        rules, norm = self.rules, torch.linalg.vector_norm
        if rules.equalize_rows:
            x = x * (norm(x) / math.sqrt(len(x)) / norm(x, dim=1, keepdim=True).clamp(min=TINY))
        x = polar_express(x, rules.safety) if rules.polar_express else orthogonalize(x)
        if rules.renormalize:
            x = x * (math.sqrt(min(x.shape)) / norm(x).clamp(min=TINY))
        return evened(x, v, rules.beta2) if rules.variance else x


def polar_express(g: Tensor, safety: float = 1.01) -> Tensor:
    """About U V^T, where g = U S V^T, by five quintics       (out, in) -> (out, in)       arXiv:2505.16932"""
    x = g.T if g.shape[0] > g.shape[1] else g
    x = x / (torch.linalg.vector_norm(x) * safety + TINY)
    for a, b, c in POLAR_EXPRESS:
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if g.shape[0] > g.shape[1] else x


def evened(x: Tensor, v: Tensor, beta2: float) -> Tensor:
    """x, each row (of a wide matrix each column) over the root of its mean square so far, with the norm of x"""
    axis = 1 if x.shape[0] >= x.shape[1] else 0
    mean, kept = (x * x).mean(axis, keepdim=True), v[:, :1] if axis else v[:1]
    kept.add_((mean - kept) * (1 - beta2))
    size = 1 / kept.clamp(min=LEAST_MOMENT).sqrt()
    n = x.shape[axis]
    now = (mean * n * size * size).sum().sqrt().clamp(min=LEAST_MOMENT)
    return x * (size * ((mean.sum() * n).sqrt() / now))
