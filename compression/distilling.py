"""Knowledge distillation: a student learns what a teacher says of every token, beside what the text says.

L = alpha T^2 KL(softmax(teacher / T) || softmax(student / T)) + (1 - alpha) cross-entropy
Hinton et al. 2015, arXiv:1503.02531
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..checkpoints.weights import Snapshot
from ..engine.module import Module
from ..engine.tensor import Tensor, no_grad
from ..engine.tensor import functional as F
from ..engine.tensor.ops.divergence import kl_divergence
from ..engine.tensor.tensor import apply
from ..errors import ConfigError
from ..models.gpt.tensor import GPT
from ..tokenizers.base import Tokenizer
from ..training.prepare import Session
from .blocks import gpt_of

Adapt = Callable[[Session], Session]
"""What is changed in a session before its first step."""


class Distilled(Module):
    """A student with another loss; its parameters are the student's own."""

    def __init__(self, student: GPT, teacher: GPT, *, alpha: float, temperature: float) -> None:
        self.student, self.alpha, self.temperature = student, alpha, temperature
        self._told: Callable[..., np.ndarray] = partial(_told_by, teacher)  # no Module, so no parameters of ours

    def loss(self, inputs: np.ndarray, targets: np.ndarray, segments: np.ndarray | None = None) -> Tensor:
        """alpha T^2 KL + (1 - alpha) cross-entropy over the targets that are not -1; with alpha = 0 the student's own

        inputs, targets (B, T) -> ()
        """
        student, inputs = self.student, np.asarray(inputs)
        if not self.alpha:
            return student.loss(inputs, targets, segments)
        told = self._told(inputs, segments)  # (B, T, V)
        student.dropout.training = True
        logits = student.capped(student.head(student._blocks(inputs, segments, None)))
        options: dict[str, Any] = {"teacher": told, "targets": targets, "temperature": self.temperature}
        divergence = apply(kl_divergence, logits, **options)
        if self.alpha == 1:
            return divergence
        return divergence * self.alpha + F.cross_entropy(logits, targets=np.asarray(targets)) * (1 - self.alpha)


def _told_by(teacher: GPT, inputs: np.ndarray, segments: np.ndarray | None) -> np.ndarray:
    """The teacher's logits       (B, T) -> (B, T, V)"""
    teacher.dropout.training = False
    with no_grad(), np.errstate(all="ignore"):
        return np.asarray(teacher.capped(teacher.head(teacher._blocks(inputs, segments, None))).data)


def distilling(teacher: Snapshot, *, alpha: float, temperature: float) -> Adapt:
    """Makes a session one in which the teacher is asked at every step. Raises ConfigError as `check_teacher` does."""
    asked = gpt_of(teacher)

    def adapt(session: Session) -> Session:
        check_teacher(teacher, session.dataset.tokenizer, session.config.model.block_size)
        student: Any = Distilled(session.model, asked, alpha=alpha, temperature=temperature)  # type: ignore[arg-type]
        return replace(session, accumulate=session.config.engine.accumulate(student, session.config.training))

    return adapt


def check_teacher(teacher: Snapshot, tokenizer: Tokenizer, block_size: int) -> None:
    """Raises ConfigError for a teacher that reads other tokens than its student, or more or fewer at once."""
    if dict(teacher.tokenizer) != tokenizer.to_dict():
        raise ConfigError(
            "the teacher cuts text into other tokens than the student, so what it says of one is of no token of the "
            "other: teach a student with the teacher's tokenizer, on text that this can spell"
        )
    wanted = gpt_of(teacher).config.block_size
    if wanted != block_size:
        raise ConfigError(
            f"the student reads block_size={block_size} tokens and the teacher {wanted}: teach one that reads as many"
        )


def of_layers(teacher: Snapshot, layers: Sequence[int]) -> Snapshot:
    """A model of these layers of the teacher and all that it has around them. Raises ConfigError for others.

    As DistilGPT2 and DistilBERT begin: Sanh et al. 2019, arXiv:1910.01108.
    """
    n_layer = gpt_of(teacher).config.n_layer
    wrong = [layer for layer in layers if not 0 <= layer < n_layer]
    if wrong or not layers or len(set(layers)) < len(layers):
        what = f"layer {wrong[0]} is none of them" if wrong else "a layer twice, or none, makes no model"
        raise ConfigError(f"the model has layers 0 to {n_layer - 1}, and {what}: name some of these")
    weights = {name: weight for name, weight in teacher.weights.items() if not name.startswith("h.")}
    for place, layer in enumerate(layers):
        prefix = f"h.{layer}."
        own = {name: weight for name, weight in teacher.weights.items() if name.startswith(prefix)}
        weights |= {f"h.{place}.{name.removeprefix(prefix)}": weight for name, weight in own.items()}
    return replace(teacher, model={**teacher.model, "n_layer": len(layers)}, weights=weights)
