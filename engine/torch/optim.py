"""The optimizers of engine/tensor/optim.py, muon.py and transforms.py in PyTorch: same formulas, same slots.

torch.optim keeps (1 - b1) sum and (1 - b2) sum of squares, and our slots hold the sums alone. So that a run goes on to
the bit, here or on NumPy, the slots are ours; torch.optim is what tests compare with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from .flat import Flat, to_array

Transform = Callable[[Flat], None]
"""Changes flat.grad in place."""

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic a x + b x^3 + c x^5       Keller Jordan"""
_NOT_HIDDEN = {"wte", "wpe", "lm_head"}
_SKIPPED = {"lm_head"}
"""The final layer, which adaptive clipping leaves alone."""


class Optimizer:
    """What all of them share: the flat parameters, clipping, and a state of named arrays."""

    slots: tuple[str, ...] = ()

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, torch.nn.Parameter]],
        *,
        weight_decay: float = 0.0,
        max_grad_norm: float = 0.0,
        transforms: tuple[Transform, ...] = (),
    ) -> None:
        self.flat = Flat(named_parameters)
        self.weight_decay, self.max_grad_norm, self.transforms = weight_decay, max_grad_norm, transforms
        self.n_steps = 0
        self.momentum, self.decay_factor = 0.0, 1.0
        self.memory = {slot: torch.zeros_like(self.flat.data) for slot in self.slots}
        edge, size = self.flat.n_decayed, self.flat.data.numel()
        self.ranges = [(slice(0, edge), weight_decay), (slice(edge, size), 0.0)]

    def zero_grad(self) -> None:
        self.flat.grad.zero_()

    def clip_gradients(self) -> float:
        """Apply the transforms, then g = g max_grad_norm / |g| where |g| > max_grad_norm > 0; return |g| as it came in.

        Nothing is clipped by a norm of nan or infinity.
        """
        norm = now = self.flat.grad_norm()
        for transform in self.transforms:
            transform(self.flat)
        if self.max_grad_norm:
            now = self.flat.grad_norm() if self.transforms else norm
            if self.max_grad_norm < now < math.inf:
                self.flat.grad.mul_(self.max_grad_norm / now)
        return norm

    def adjust(self, *, momentum: float, decay_factor: float) -> None:
        """From the next step on: this momentum, of rules that have one, and so many times the weight decay."""
        self.momentum, self.decay_factor = momentum, decay_factor

    def step(self, lr: float) -> None:
        """Move every parameter against its gradient, in place."""
        raise NotImplementedError

    def _decayed(self) -> Iterator[tuple[slice, float]]:
        """The ranges, with their weight decay at this step."""
        return ((place, decay * self.decay_factor) for place, decay in self.ranges)

    def state_dict(self) -> dict[str, Any]:
        """{"n_steps": t, slot: {name: array}}, as the optimizers of arrays have it."""
        state: dict[str, Any] = {"n_steps": self.n_steps}
        for slot, vector in self.memory.items():
            state[slot] = {name: to_array(view) for name, view in self.flat.views(vector).items()}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.n_steps = int(state["n_steps"])
        for slot, vector in self.memory.items():
            for name, view in self.flat.views(vector).items():
                view.copy_(torch.from_numpy(np.array(np.reshape(state[slot][name], tuple(view.shape)))))


class SGD(Optimizer):
    """v = momentum v + g + decay p;  p -= lr v       v is kept only for momentum."""

    def __init__(self, named_parameters: Any, *, momentum: float = 0.0, **shared: Any) -> None:
        self.slots = ("velocity",) if momentum else ()
        super().__init__(named_parameters, **shared)
        self.momentum = momentum

    @torch.no_grad()
    def step(self, lr: float) -> None:
        self.n_steps += 1
        velocity = self.memory.get("velocity")
        for place, decay in self._decayed():
            p, move = self.flat.data[place], self.flat.grad[place]
            if decay:
                move = p * decay + move
            if velocity is not None:
                move = velocity[place].mul_(self.momentum).add_(move)
            p.sub_(move * lr)


class Adam(Optimizer):
    """m = b1 m + g;  v = b2 v + g^2;  p -= lr m_hat / (sqrt(v_hat) + eps)

    m_hat = (1 - b1) m / (1 - b1^t), v_hat = (1 - b2) v / (1 - b2^t); weight decay is added to g.
    """

    slots = ("m", "v")
    decoupled = False

    def __init__(
        self, named_parameters: Any, *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, **shared: Any
    ) -> None:
        super().__init__(named_parameters, **shared)
        self.betas, self.eps = betas, eps
        self._least = torch.finfo(self.flat.data.dtype).tiny  # an eps that rounds to 0 would move by 0 / 0

    @torch.no_grad()
    def step(self, lr: float) -> None:
        self.n_steps += 1
        b1, b2 = self.betas
        root = math.sqrt((1 - b2) / (1 - b2**self.n_steps))  # sqrt(v_hat) = root sqrt(v)
        rate = lr * (1 - b1) / (1 - b1**self.n_steps) / root
        eps = max(self.eps / root, self._least)
        for place, decay in self._decayed():
            p, g = self.flat.data[place], self.flat.grad[place]
            m, v = self.memory["m"][place], self.memory["v"][place]
            if decay and self.decoupled:
                p.mul_(1 - lr * decay)
            elif decay:
                g = p * decay + g
            m.mul_(b1).add_(g)
            v.mul_(b2).add_(g * g)
            p.sub_((m / v.sqrt().add_(eps)).mul_(rate))


class AdamW(Adam):
    """Adam with decoupled decay: p -= lr (m_hat / (sqrt(v_hat) + eps) + decay p)"""

    decoupled = True


class Muon(AdamW):
    """u = momentum u + g;  p -= lr (0.2 sqrt(max(out, in)) orthogonalize(g + momentum u) + decay p)

    For matrices that are neither embeddings nor head, whose u lies in m; AdamW for the rest.
    """

    def __init__(self, named_parameters: Any, *, momentum: float = 0.95, **adamw: Any) -> None:
        super().__init__(named_parameters, **adamw)
        self.momentum = momentum
        parameters, momenta = self.flat.parameters, self.flat.views(self.memory["m"])
        hidden = [name for name, p in parameters.items() if p.dim() == 2 and not set(name.split(".")) & _NOT_HIDDEN]
        self.hidden = {name: (parameters[name], momenta[name]) for name in hidden}
        self.ranges = [
            (self.flat.place(name), self.weight_decay if p.dim() >= 2 else 0.0)
            for name, p in parameters.items()
            if name not in hidden
        ]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        super().step(lr)  # of the ranges above
        for p, u in self.hidden.values():
            g = p.grad
            u.mul_(self.momentum).add_(g)
            update = orthogonalize(g + u * self.momentum)
            p.mul_(1 - lr * self.weight_decay * self.decay_factor)
            p.sub_(update * (lr * 0.2 * math.sqrt(max(update.shape))))


def orthogonalize(g: torch.Tensor, n_steps: int = 5) -> torch.Tensor:
    """About U V^T, where g = U S V^T, by n_steps of a quintic Newton-Schulz iteration       (out, in) -> (out, in)"""
    a, b, c = _COEFFICIENTS
    x = g.T if g.shape[0] > g.shape[1] else g
    x = x / (torch.linalg.vector_norm(x) + 1e-7)
    for _ in range(n_steps):
        gram = x @ x.T
        x = x * a + (gram @ gram * c + gram * b) @ x
    return x.T if g.shape[0] > g.shape[1] else x


@torch.no_grad()
def centralize(flat: Flat) -> None:
    """g_i = g_i - mean(g_i), for each row i of the gradient of a matrix       Yong et al. 2020, arXiv:2004.01461"""
    for p in flat.parameters.values():
        if p.dim() >= 2:
            p.grad.sub_(p.grad.mean(dim=1, keepdim=True))


def adaptive_clip(threshold: float, eps: float = 1e-3) -> Transform:
    """g_i = g_i threshold max(|w_i|, eps) / |g_i| for each output unit where that is a shortening

    Brock et al. 2021, arXiv:2102.06171
    """

    @torch.no_grad()
    def clip(flat: Flat) -> None:
        for name, p in flat.parameters.items():
            if set(name.split(".")) & _SKIPPED:
                continue
            g, w = (x.view(len(x), -1) if x.dim() >= 2 else x.view(1, -1) for x in (p.grad, p.data))
            longest = torch.linalg.vector_norm(w, dim=1).clamp(min=eps) * threshold
            lengths = torch.linalg.vector_norm(g, dim=1)
            factor = longest / lengths.clamp(min=torch.finfo(g.dtype).tiny)
            shortened = (lengths > longest) & (lengths < math.inf)
            g.mul_(torch.where(shortened, factor, torch.ones_like(factor))[:, None])

    return clip
