"""C10: how Adam corrects its moments."""

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

    m_hat, v_hat = m * (1 - b1**self.n_steps), v * (1 - b2**self.n_steps)
    p -= lr * m_hat / (np.sqrt(v_hat) + self.eps)


SPECIMEN = Specimen(
    id="C10",
    name="correction-multiplied",
    title="Adam's moments are multiplied by what they should be divided by",
    case="karpathy/convnetjs PR#70, PR#107",
    symptom="The validation loss is worse by 0.15 nats; the first steps move little.",
    fault=step,
    into=at("engine.tensor.optim:Adam.step"),
    found_by=("first step",),
    blind=("decay", "schedule", "clipping"),
)
