"""Optimizers on flat vectors, in order of what they remember: nothing, a velocity, two moments.

`zero_grad()`, backward, `clip_gradients()`, `step(lr)`; the rate is given at each step, since schedules own it.
Weight decay acts on parameters of two or more dimensions only (matrices, not gains and biases), as in nanoGPT.
A step works through the vectors in pieces, so that its temporaries stay small.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from .flat import Flat
from .tensor import Tensor

_PIECE = 1 << 16
"""Numbers in a piece: short enough for its one temporary to stay cached, long enough to hide the calls (measured)."""


class Transform(Protocol):
    """Changes flat.grad in place, before a step."""

    def __call__(self, flat: Flat) -> None: ...


class Optimizer:
    """What all of them share: the flat parameters, clipping, and a state of named arrays."""

    slots: tuple[str, ...] = ()
    """Names of the vectors that the optimizer remembers, one number a parameter."""

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, Tensor]],
        *,
        weight_decay: float = 0.0,
        max_grad_norm: float = 0.0,
        transforms: tuple[Transform, ...] = (),
    ) -> None:
        self.flat = Flat(named_parameters)
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.transforms = transforms
        self.n_steps = 0
        self.momentum = 0.0
        self.decay_factor = 1.0
        self.memory = {slot: np.zeros_like(self.flat.data) for slot in self.slots}
        edge, size = self.flat.n_decayed, self.flat.data.size
        self.ranges = [(slice(0, edge), weight_decay), (slice(edge, size), 0.0)]

    def zero_grad(self) -> None:
        self.flat.grad.fill(0)

    def clip_gradients(self) -> float:
        """Apply the transforms, then g = g max_grad_norm / |g| where |g| > max_grad_norm > 0; return |g| as it came in.

        |g| is the global L2 norm       Pascanu et al. 2013, arXiv:1211.5063
        One of nan or infinity is returned as it is, and nothing is clipped by it.
        """
        norm = now = self.flat.grad_norm()
        for transform in self.transforms:
            transform(self.flat)
        if self.max_grad_norm:
            now = self.flat.grad_norm() if self.transforms else norm
            if self.max_grad_norm < now < math.inf:
                self.flat.grad *= self.max_grad_norm / now
        return norm

    def adjust(self, *, momentum: float, decay_factor: float) -> None:
        """From the next step on: this momentum, of rules that have one, and so many times the weight decay."""
        self.momentum, self.decay_factor = momentum, decay_factor

    def step(self, lr: float) -> None:
        """Move every parameter against its gradient, in place."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """{"n_steps": t, slot: {name: array}}: copies of what a resumed run needs."""
        state: dict[str, Any] = {"n_steps": self.n_steps}
        for slot, vector in self.memory.items():
            state[slot] = {name: view.copy() for name, view in self.flat.views(vector).items()}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.n_steps = int(state["n_steps"])
        for slot, vector in self.memory.items():
            for name, view in self.flat.views(vector).items():
                view[...] = np.reshape(state[slot][name], view.shape)

    def _pieces(self) -> Iterator[tuple[slice, float]]:
        """(slice, weight decay) of pieces that cover the ranges."""
        for whole, decay in self.ranges:
            for first in range(whole.start, whole.stop, _PIECE):
                yield slice(first, min(first + _PIECE, whole.stop)), decay * self.decay_factor


class SGD(Optimizer):
    """v = momentum v + g + decay p;  p -= lr v       Polyak 1964; as torch.optim.SGD. v is kept only for momentum."""

    def __init__(self, named_parameters: Iterable[tuple[str, Tensor]], *, momentum: float = 0.0, **shared: Any) -> None:
        self.slots = ("velocity",) if momentum else ()
        super().__init__(named_parameters, **shared)
        self.momentum = momentum

    def step(self, lr: float) -> None:
        self.n_steps += 1
        velocity = self.memory.get("velocity")
        for piece, decay in self._pieces():
            p, move = self.flat.data[piece], self.flat.grad[piece]
            if decay:
                move = p * decay + move
            if velocity is not None:
                v = velocity[piece]
                v *= self.momentum
                v += move
                move = v
            p -= move * lr


class Adam(Optimizer):
    """m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p -= lr m_hat / (sqrt(v_hat) + eps)

    m_hat = m / (1 - b1^t), v_hat = v / (1 - b2^t)       Kingma and Ba 2014, arXiv:1412.6980
    Weight decay is added to g. The slots hold m / (1 - b1) and v / (1 - b2): the constant factors are left out of the
    sums, which saves two passes over the vectors, and multiplied in at the end.
    """

    slots = ("m", "v")
    decoupled = False

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, Tensor]],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        **shared: Any,
    ) -> None:
        super().__init__(named_parameters, **shared)
        self.betas, self.eps = betas, eps
        self._least = float(np.finfo(self.flat.data.dtype).tiny)  # an eps that rounds to 0 would move by 0 / 0

    def step(self, lr: float) -> None:
        self.n_steps += 1
        b1, b2 = self.betas
        root = math.sqrt((1 - b2) / (1 - b2**self.n_steps))  # sqrt(v_hat) = root sqrt(slot)
        rate = lr * (1 - b1) / (1 - b1**self.n_steps) / root
        eps = max(self.eps / root, self._least)
        scratch = np.empty(min(_PIECE, self.flat.data.size), self.flat.data.dtype)
        for piece, decay in self._pieces():
            p, g = self.flat.data[piece], self.flat.grad[piece]
            m, v, t = self.memory["m"][piece], self.memory["v"][piece], scratch[: piece.stop - piece.start]
            if decay and self.decoupled:
                p *= 1 - lr * decay
            elif decay:
                g = p * decay + g
            m *= b1
            m += g
            v *= b2
            v += np.multiply(g, g, t)
            np.sqrt(v, t)
            t += eps
            np.divide(m, t, t)
            t *= rate
            p -= t


class AdamW(Adam):
    """Adam with decoupled decay: p -= lr (m_hat / (sqrt(v_hat) + eps) + decay p)

    Loshchilov and Hutter 2017, arXiv:1711.05101
    """

    decoupled = True
