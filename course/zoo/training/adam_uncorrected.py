"""C9: the first steps of Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..specimen import Specimen, at


def step(self: Any, lr: float) -> None:
    """Move every parameter against its gradient."""
    self.n_steps += 1
    (b1, b2), p, g = self.betas, self.flat.data, self.flat.grad
    m, v = self.memory["m"], self.memory["v"]
    p[: self.flat.n_decayed] *= 1 - lr * self.weight_decay
    m[...] = b1 * m + (1 - b1) * g
    v[...] = b2 * v + (1 - b2) * g * g

    p -= lr * m / (np.sqrt(v) + self.eps)


SPECIMEN = Specimen(
    id="C9",
    name="no-bias-correction",
    title="Adam's moments are not corrected for their bias",
    case="ml-explore/mlx PR#1640",
    symptom="The validation loss is better by 0.04 nats after 200 steps.",
    fault=step,
    into=at("engine.tensor.optim:Adam.step"),
    found_by=("first step",),
    blind=("decay", "schedule", "clipping", "overfits"),
)
