"""What is examined: a run as it was saved, or a configuration as it would begin; steps that it takes are undone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...data.batches import IGNORED, Batch, evaluation_batches
from ...inference.language_model import load
from ...models.base import Model
from ...models.gpt.config import GPTConfig
from ...training.config import RunConfig
from ...training.folder.metrics import read_metrics
from ...training.folder.record import read_run
from ...training.prepare import Session, prepare
from ..laws.model import in_arrays

MOST_TOKENS = 64
"""Of a row that is examined: laws of positions show themselves in few."""


class NotApplicableError(Exception):
    """A law that cannot be decided here, and why."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A session with weights; `borrowed` puts them back."""

    session: Session
    name: str
    metrics: tuple[Mapping[str, Any], ...] = ()
    """Lines of metrics.jsonl; none of a configuration."""
    first_weights: Mapping[str, Any] = field(default_factory=dict)
    """Of a run, those that it began with; {} where the model has them still."""

    @property
    def config(self) -> RunConfig:
        """Of the run."""
        return self.session.config

    @property
    def model(self) -> Model:
        """With the weights that are examined."""
        return self.session.model

    @property
    def gpt(self) -> GPTConfig:
        """The model's. Raises NotApplicableError for a bigram."""
        if not isinstance(self.config.model, GPTConfig):
            raise NotApplicableError("a bigram has neither layers nor positions")
        if type(self.config.model) is not GPTConfig:
            raise NotApplicableError("its blocks do more than those of a GPT, which are looked at here")
        return self.config.model

    @property
    def arrays(self) -> Any:
        """The model. Raises NotApplicableError for a bigram or a model in single numbers."""
        _ = self.gpt
        if not in_arrays(self.model):
            raise NotApplicableError("it is for the array spelling: --set mode=tensor tries it")
        return self.model

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """Weights and random streams may change inside."""
        weights, chance = self.model.state_dict(), self.session.dropout_rng.bit_generator.state
        dropout: Any = getattr(self.model, "dropout", None)
        p = getattr(dropout, "p", 0.0)
        try:
            yield
        finally:
            self.model.load_state_dict(weights)
            if dropout is not None:
                dropout.p = p
            self.session.dropout_rng.bit_generator.state = chance

    def begin_anew(self) -> None:
        """The first weights, inside `borrowed`."""
        if self.first_weights:
            self.model.load_state_dict(self.first_weights)

    def stir(self) -> None:
        """Weights that hide nothing, inside `borrowed`: projections that begin with 0 let no mistake through.

        A run keeps those that it has.
        """
        if not self.first_weights:
            rng = np.random.default_rng(0)
            weights = {name: np.array(weight) for name, weight in self.model.state_dict().items()}
            self.model.load_state_dict(
                {name: w + rng.normal(0.0, 1.0 / np.sqrt(w.shape[-1]), w.shape) for name, w in weights.items()}
            )

    def without_dropout(self) -> None:
        """Training without chance, inside `borrowed`."""
        if hasattr(self.model, "dropout"):
            self.model.dropout.p = 0.0

    def rows(self, n: int, least: int = 2) -> list[Batch]:
        """n rows of the validation text, one a batch and cut to MOST_TOKENS. Raises NotApplicableError if too short."""
        T = min(self.config.model.block_size, MOST_TOKENS)
        found = []
        for batch in evaluation_batches(
            self.session.dataset.val, kind=self.session.batches.kind, block_size=T, batch_size=1
        ):
            n_real = int((batch.targets[0] != IGNORED).nonzero()[0].max(initial=-1)) + 1
            if n_real >= least:
                found.append(Batch(batch.inputs[:, :n_real], batch.targets[:, :n_real]))
            if len(found) == n:
                return found
        raise NotApplicableError(f"the validation text has no {n} pieces of {least} tokens or more")

    def ids(self, least: int = 4) -> list[int]:
        """A row of ids of the validation text."""
        least = min(least, self.config.model.block_size)
        return list(map(int, self.rows(1, least)[0].inputs[0]))

    def square(self, n: int = 4) -> np.ndarray:
        """n rows of equal length       (n, T)"""
        rows = self.rows(n)
        T = min(row.inputs.shape[1] for row in rows)
        return np.concatenate([row.inputs[:, :T] for row in rows])


def of_config(config: RunConfig) -> Subject:
    """As it would begin. Raises what `prepare` raises."""
    return Subject(prepare(config.on_numpy()), f"preset {config.preset}")


def of_run(path: Path) -> Subject:
    """With the weights of its newest checkpoint. Raises CheckpointError, ConfigError, DataError."""
    saved, trained = read_run(path), load(path)
    session = prepare(saved.config.on_numpy(), trained.tokenizer)
    first = session.model.state_dict()
    session.model.load_state_dict(trained.model.state_dict())
    return Subject(session, path.name, tuple(read_metrics(path / "metrics.jsonl")), first)
