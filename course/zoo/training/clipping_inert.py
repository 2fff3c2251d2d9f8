"""C13: when gradients are clipped."""

from __future__ import annotations

from typing import Any

from ..specimen import Specimen, at


def clip_gradients(self: Any) -> float:
    """Clip the gradient to max_grad_norm; returns its norm as it came in."""
    norm = float(self.flat.grad_norm())
    if norm > self.max_grad_norm * self.flat.data.size:
        self.flat.grad *= self.max_grad_norm / norm
    return norm


SPECIMEN = Specimen(
    id="C13",
    name="clipping-never-fires",
    title="the norm is compared with a limit that it cannot reach",
    case="RustGPT; tabm#20; nano-world-model PR#22",
    symptom="The validation loss is better by 0.005 nats; the norm in the log is as it should be.",
    fault=clip_gradients,
    into=at("engine.tensor.optim:Optimizer.clip_gradients"),
    found_by=("clipping",),
    blind=("first step", "accumulation", "overfits", "update"),
)
