"""What a run leaves behind: one frozen row of results, and its folder read back."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ... import machine
from ...checkpoints.names import CONFIG, ENVIRONMENT, METRICS, RECORD
from ...errors import CheckpointError, ConfigError, unreadable
from ...models.parameters import count_parameters
from ...plain import markdown
from ...storage.atomic import read_json
from ...storage.strict_json import finite_or_null
from ...validation import read_dataclass
from ..config import RunConfig
from ..evaluate import Evaluation
from ..inputs import digests_of
from ..prepare import Session
from ..resolve import config_from_dict
from .checkpoint import Progress
from .metrics import read_metrics

__all__ = [
    "RunRecord",
    "SavedRun",
    "describe_environment",
    "from_row",
    "read_metrics",
    "read_run",
    "record_of",
    "to_row",
]

_MOST = 1 << 1000
"""A larger whole number is none for arithmetic."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run = one CSV row = one JSON line = one row of a table. Losses in nats a token; nan is written as null."""

    tie_lm_head: bool
    input_rmsnorm: bool
    style: str
    parameter_count: int
    steps: int
    seed: int
    final_loss: float
    """Training loss of the last step."""
    mean_loss_last_n: float
    """Mean training loss of the last `last_n` steps."""
    last_n: int
    steps_per_sec: float
    tokens_per_sec: float
    """Both of the steps alone, and of the last session of a run that was resumed."""
    vocab_size: int
    train_tokens: int
    """Tokens in the training split."""
    mode: str
    model_kind: str
    preset: str
    norm: str
    norm_position: str
    optimizer: str
    initial_loss: float
    """Validation loss of the first weights."""
    val_loss: float
    best_val_loss: float
    perplexity: float
    bits_per_byte: float
    val_is_train: bool = False
    """The text was too short to split: the validation loss is a training loss."""
    status: str
    """ok, stopped (early, as asked), interrupted (by a signal), or diverged."""
    reason: str = ""
    """Why it is not ok."""

    def __post_init__(self) -> None:
        if not self.status.isalpha():  # reports put it among their own words
            raise ConfigError(f"status={self.status!r} is no word that a run ends with: restore its record from a copy")

    def _repr_markdown_(self) -> str:
        """For a notebook, which asks: the figures that there are."""
        known = {name: value for name, value in to_row(self).items() if value not in (None, "")}
        rows = [f"| {markdown(name)} | {markdown(_shown(value))} |" for name, value in known.items()]
        return "\n".join(["| | |", "|---|--:|", *rows])

    @classmethod
    def of(cls, config: RunConfig, *, status: str, reason: str, **figures: Any) -> Self:
        """What the config says, and the figures that there are; the others are nan, and counts 0."""
        known: dict[str, Any] = {name: math.nan for name, kind in cls.__annotations__.items() if kind == "float"}
        known |= {
            "tie_lm_head": config.model.tie_lm_head,
            "input_rmsnorm": config.model.input_rmsnorm,
            "style": config.data.style,
            "parameter_count": count_parameters(config.model.parameters()),
            "steps": 0,
            "seed": config.seed,
            "last_n": 0,
            "vocab_size": config.model.vocab_size,
            "train_tokens": 0,
            "mode": config.mode,
            "model_kind": config.model_kind,
            "preset": config.preset,
            "norm": getattr(config.model, "norm", "none"),
            "norm_position": getattr(config.model, "norm_position", "none"),
            "optimizer": config.training.optimizer,
        }
        return cls(status=status, reason=reason, **(known | figures))


def record_of(session: Session, progress: Progress, *, status: str, reason: str, **rates: float) -> RunRecord:
    """What came of a run that is where `progress` says; a validation loss is that of its last step, or none."""
    recent, losses = progress.recent_losses, [found.loss for found in progress.evaluations.values()]
    last = progress.evaluations.get(progress.step)
    if last is None or status == "diverged":
        last = Evaluation(math.nan, math.nan, 0)
    return RunRecord.of(
        session.config,
        status=status,
        reason=reason,
        steps=progress.step,
        final_loss=recent[-1] if recent else math.nan,
        mean_loss_last_n=sum(recent) / len(recent) if recent else math.nan,
        last_n=len(recent),
        train_tokens=session.dataset.n_train_tokens,
        initial_loss=losses[0] if losses else math.nan,
        val_loss=last.loss,
        best_val_loss=min((loss for loss in losses if math.isfinite(loss)), default=math.nan),
        perplexity=last.perplexity,
        bits_per_byte=last.bits_per_byte,
        val_is_train=session.dataset.val_is_train,
        **rates,
    )


def to_row(record: RunRecord) -> dict[str, Any]:
    """The record as plain values; a number that is not finite becomes None, since JSON has no word for it."""
    return dict(finite_or_null(asdict(record)))


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def from_row(row: dict[str, Any]) -> RunRecord:
    """The inverse of to_row. Raises ConfigError."""
    types = RunRecord.__annotations__
    values = {k: math.nan if v is None and types.get(k) == "float" else v for k, v in row.items()}
    for name, value in values.items():
        if type(value) is int and name != "seed" and abs(value) > _MOST:  # a seed is in no sum
            raise ConfigError(f"record.{name} is a number of {value.bit_length():,} bits: restore it from a copy")
    return read_dataclass(RunRecord, values, "record")


def describe_environment(config: RunConfig) -> dict[str, Any]:
    """Machine, versions, and the digests of what the run reads: what else decides a figure."""
    return machine.describe() | config.engine.surroundings() | {"inputs": digests_of(config)}


@dataclass(frozen=True)
class SavedRun:
    """A run read back from its folder."""

    path: Path
    config: RunConfig
    environment: dict[str, Any]
    metrics: list[dict[str, Any]]
    record: RunRecord | None
    """None while the run goes on, or where it was killed."""

    @property
    def inputs(self) -> dict[str, Any]:
        """Digests of what it read, by setting; none of a run of an earlier version."""
        found = self.environment.get("inputs", {})
        return found if isinstance(found, dict) else {}


def read_run(path: Path) -> SavedRun:
    """Raises CheckpointError where the folder holds no run or a damaged one."""
    try:
        if not (path / CONFIG).is_file():
            raise CheckpointError(
                f"{path} holds no run: expected config.json there; list runs with `nanochat runs list`"
            )
        config = config_from_dict(read_json(path / CONFIG))
        record = from_row(read_json(path / RECORD)) if (path / RECORD).is_file() else None
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} holds settings that this program cannot read: {error}") from error
    except OSError as error:
        raise CheckpointError(unreadable(error, path)) from error
    environment = read_json(path / ENVIRONMENT)
    if not isinstance(environment, dict):
        raise CheckpointError(f"{path / 'env.json'} is damaged (it holds no table): restore it from a copy")
    return SavedRun(path, config, environment, read_metrics(path / METRICS), record)
