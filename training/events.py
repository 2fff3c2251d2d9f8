"""What a run tells whoever watches it, one frozen value each; a step is told by its StepMetrics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .config import RunConfig
from .evaluate import Evaluation
from .prepare import Session
from .trainer import StepMetrics
from .transfer import Transfer


@dataclass(frozen=True)
class Prepared:
    """Data and model are there; training starts now."""

    config: RunConfig
    n_parameters: int
    n_train_tokens: int
    val_is_train: bool
    """The text was too short to split: the validation loss is a training loss."""
    counts_loss: float | None
    """Bigram runs: validation loss of the counts, which training approaches."""
    first_step: int = 0
    """Steps done before: more than 0 where a run goes on."""
    transferred: Transfer | None = None
    """What became of the weights of the model that the run begins with."""


@dataclass(frozen=True)
class Evaluated:
    """A validation."""

    step: int
    evaluation: Evaluation


@dataclass(frozen=True)
class Sampled:
    """A sample drawn while training."""

    step: int
    text: str


@dataclass(frozen=True)
class Saved:
    """A checkpoint on disk."""

    step: int
    path: Path


@dataclass(frozen=True)
class Ended:
    """The last step is done and validated; the model may be looked at, and is not to be changed."""

    session: Session


Event = Prepared | StepMetrics | Evaluated | Sampled | Saved | Ended
