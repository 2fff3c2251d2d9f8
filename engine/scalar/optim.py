"""Optimizers on lists of Values, in order of what they remember: nothing, a velocity, two moments.

`zero_grad()`, backward, `clip_gradients()`, `step(lr)`; the rate is given at each step, since schedules own it.
Weight decay acts on parameters of two or more dimensions only (matrices, not gains and biases), as in nanoGPT.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..module import shape_of
from .value import Value


class Optimizer:
    """What all of them share: the leaves, clipping by the global norm, and a state of named lists."""

    slots: tuple[str, ...] = ()
    """Names of the lists that the optimizer remembers, one number a leaf."""

    def __init__(
        self, named_parameters: Iterable[tuple[str, Any]], *, weight_decay: float = 0.0, max_grad_norm: float = 0.0
    ) -> None:
        self.leaves: list[Value] = []
        self.decays: list[float] = []
        self.sizes: dict[str, int] = {}
        for name, parameter in named_parameters:
            leaves = list(_leaves(parameter))
            self.sizes[name] = len(leaves)
            self.leaves += leaves
            self.decays += [weight_decay if len(shape_of(parameter)) >= 2 else 0.0] * len(leaves)
        self.max_grad_norm = max_grad_norm
        self.n_steps = 0
        self.momentum, self.decay_factor = 0.0, 1.0
        self.memory = {slot: [0.0] * len(self.leaves) for slot in self.slots}

    def zero_grad(self) -> None:
        for leaf in self.leaves:
            leaf.grad = 0.0

    def clip_gradients(self) -> float:
        """The global L2 norm |g| before clipping; where it exceeds max_grad_norm > 0, g becomes g max_grad_norm / |g|.

        Pascanu et al. 2013, arXiv:1211.5063
        One of nan or infinity is returned as it is, and nothing is clipped by it.
        """
        try:
            norm = math.sqrt(math.fsum([leaf.grad * leaf.grad for leaf in self.leaves]))
        except OverflowError:  # each square is a float, their sum is none
            norm = math.inf
        if 0 < self.max_grad_norm < norm < math.inf:
            factor = self.max_grad_norm / norm
            for leaf in self.leaves:
                leaf.grad *= factor
        return norm

    def adjust(self, *, momentum: float, decay_factor: float) -> None:
        """From the next step on: this momentum, of rules that have one, and so many times the weight decay."""
        self.momentum, self.decay_factor = momentum, decay_factor

    def step(self, lr: float) -> None:
        """Move every leaf against its gradient."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """{"n_steps": t, slot: {name: flat list}}: what a resumed run needs."""
        state: dict[str, Any] = {"n_steps": self.n_steps}
        for slot, numbers in self.memory.items():
            ends = iter(numbers)
            state[slot] = {name: [next(ends) for _ in range(size)] for name, size in self.sizes.items()}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.n_steps = int(state["n_steps"])
        for slot, numbers in self.memory.items():
            for name, size in self.sizes.items():
                if len(state[slot][name]) != size:
                    raise ValueError(f"{slot} of {name} has {len(state[slot][name])} numbers, the parameter {size}")
            numbers[:] = [float(x) for name in self.sizes for x in state[slot][name]]


class SGD(Optimizer):
    """v = momentum v + g + decay p;  p -= lr v       Polyak 1964, as torch.optim.SGD. Without momentum no v is kept."""

    def __init__(self, named_parameters: Iterable[tuple[str, Any]], *, momentum: float = 0.0, **shared: float) -> None:
        self.slots = ("velocity",) if momentum else ()
        super().__init__(named_parameters, **shared)
        self.momentum = momentum

    def step(self, lr: float) -> None:
        self.n_steps += 1
        velocity = self.memory.get("velocity")
        for i, (leaf, decay) in enumerate(zip(self.leaves, self.decays, strict=True)):
            v = leaf.grad + decay * self.decay_factor * leaf.data
            if velocity is not None:
                v += self.momentum * velocity[i]
                velocity[i] = v
            leaf.data -= lr * v


class Adam(Optimizer):
    """m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p -= lr m_hat / (sqrt(v_hat) + eps)

    m_hat = m / (1 - b1^t), v_hat = v / (1 - b2^t). Weight decay is added to g.
    Kingma and Ba 2014, arXiv:1412.6980
    """

    slots = ("m", "v")
    decoupled = False

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, Any]],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        **shared: float,
    ) -> None:
        super().__init__(named_parameters, **shared)
        self.betas, self.eps = betas, eps

    def step(self, lr: float) -> None:
        self.n_steps += 1
        b1, b2 = self.betas
        c1, c2 = 1 - b1**self.n_steps, 1 - b2**self.n_steps
        a1, a2 = 1 - b1, 1 - b2
        m, v, eps, decoupled, sqrt = self.memory["m"], self.memory["v"], self.eps, self.decoupled, math.sqrt
        decays = self.decays if self.decay_factor == 1 else [decay * self.decay_factor for decay in self.decays]
        for i, (leaf, decay) in enumerate(zip(self.leaves, decays, strict=True)):
            g = leaf.grad if decoupled else leaf.grad + decay * leaf.data
            m[i] = first = b1 * m[i] + a1 * g
            v[i] = second = b2 * v[i] + a2 * (g * g)
            move = first / c1 / (sqrt(second / c2) + eps)
            if decoupled:
                move += decay * leaf.data
            leaf.data -= lr * move


class AdamW(Adam):
    """Adam with decoupled decay: p -= lr (m_hat / (sqrt(v_hat) + eps) + decay p)

    Loshchilov and Hutter 2017, arXiv:1711.05101
    """

    decoupled = True


def _leaves(parameter: Any) -> Iterator[Value]:
    if isinstance(parameter, (list, tuple)):
        for item in parameter:
            yield from _leaves(item)
    else:
        yield parameter
