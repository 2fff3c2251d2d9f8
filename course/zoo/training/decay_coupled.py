"""C11: where weight decay goes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..specimen import Specimen, at


def step(self: Any, lr: float) -> None:
    """Move every parameter against its gradient."""
    self.n_steps += 1
    (b1, b2), p, g = self.betas, self.flat.data, self.flat.grad.copy()
    m, v = self.memory["m"], self.memory["v"]
    g[: self.flat.n_decayed] += self.weight_decay * p[: self.flat.n_decayed]
    m[...] = b1 * m + (1 - b1) * g
    v[...] = b2 * v + (1 - b2) * g * g
    m_hat, v_hat = m / (1 - b1**self.n_steps), v / (1 - b2**self.n_steps)
    p -= lr * m_hat / (np.sqrt(v_hat) + self.eps)


SPECIMEN = Specimen(
    id="C11",
    name="decay-coupled",
    title="AdamW's decay is added to the gradient, and so divided by its size",
    case="huggingface/transformers#14539 is about its place",
    symptom="The validation loss is worse by 0.1 nats, as if less were decayed, or more.",
    fault=step,
    into=at("engine.tensor.optim:Adam.step"),
    found_by=("decay",),
    blind=("first step", "schedule", "clipping", "overfits"),
)
