"""Muon: momentum, made orthogonal. For the hidden matrices of a network; AdamW moves everything else."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .optim import AdamW
from .tensor import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic a x + b x^3 + c x^5: Keller Jordan's, tuned to bring singular values near 1, to 0.7 to 1.2, fast."""
_NOT_HIDDEN = ("wte", "wpe", "lm_head")


class Muon(AdamW):
    """u = momentum u + g;  p -= lr (0.2 sqrt(max(out, in)) orthogonalize(g + momentum u) + decay p)

    Keller Jordan et al. 2024, kellerjordan.github.io/posts/muon, with Nesterov's momentum. The factor gives an update
    the root mean square that AdamW's has, so that one rate and one decay serve both   Liu et al. 2025, arXiv:2502.16982
    Acts on matrices that are neither embeddings nor head, known by the names in `not_hidden`; AdamW on the rest.
    """

    slots = ("m", "v")  # a matrix that Muon moves keeps its momentum u in m, and leaves v at 0

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, Tensor]],
        *,
        momentum: float = 0.95,
        n_newton_schulz: int = 5,
        not_hidden: tuple[str, ...] = _NOT_HIDDEN,
        **adamw: Any,
    ) -> None:
        super().__init__(named_parameters, **adamw)
        self.momentum, self.n_newton_schulz = momentum, n_newton_schulz
        parameters = self.flat.parameters
        none = set(not_hidden)
        self.hidden = [name for name, p in parameters.items() if p.ndim == 2 and not set(name.split(".")) & none]
        self.ranges = [
            (self.flat.place(name), self.weight_decay if p.ndim >= 2 else 0.0)
            for name, p in parameters.items()
            if name not in self.hidden
        ]

    def step(self, lr: float) -> None:
        super().step(lr)  # of the ranges above
        momenta = self.flat.views(self.memory["m"])
        for name in self.hidden:
            parameter, u = self.flat.parameters[name], momenta[name]
            g = parameter.grad
            assert g is not None, "Flat gives every parameter a gradient"
            u *= self.momentum
            u += g
            update = orthogonalize(g + u * self.momentum, self.n_newton_schulz)
            parameter.data *= 1 - lr * self.weight_decay * self.decay_factor
            parameter.data -= update * (lr * 0.2 * math.sqrt(max(update.shape)))


def orthogonalize(g: np.ndarray, n_steps: int = 5) -> np.ndarray:
    """About U V^T, where g = U S V^T: every singular value moved near 1 by n_steps of a quintic Newton-Schulz iteration

    x = g / |g|;  x = a x + (b x x^T + c (x x^T)^2) x       (out, in) -> (out, in)
    """
    a, b, c = _COEFFICIENTS
    x = g.T if g.shape[0] > g.shape[1] else g  # the smaller side makes the smaller products
    x = x / (math.sqrt(float(np.vdot(x, x))) + 1e-7)
    for _ in range(n_steps):
        gram = x @ x.T
        inner = gram @ gram
        inner *= c
        gram *= b
        inner += gram
        y = inner @ x
        x = x * a
        x += y
    return x.T if g.shape[0] > g.shape[1] else x
