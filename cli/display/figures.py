"""The line of figures in which a training ends: `mode=scalar ... val_loss=2.932542 ...`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...plain import shown_path
from ...storage.strict_json import finite_or_null

if TYPE_CHECKING:
    from ...training.backends import Backend
    from ...training.folder.record import RunRecord


def figures_of(record: RunRecord, out: Path, engine: Backend) -> dict[str, Any]:
    """The figures of the training line, in its order; what does not exist is None. `engine` computed the run."""
    figures = {
        "mode": record.mode,
        "model_kind": record.model_kind,
        "style": record.style,
        "tie_lm_head": record.tie_lm_head,
        "input_rmsnorm": record.input_rmsnorm,
        "backend": engine.name,
        "device": engine.device,
        "using_gpu": engine.device != "cpu",
        "params": record.parameter_count,
        "steps": record.steps,
        "initial_loss": round(record.initial_loss, 6),
        "final_loss": round(record.final_loss, 6),
        "val_loss": round(record.val_loss, 6),
        "mean_loss_last_n": round(record.mean_loss_last_n, 6),
        "steps_per_sec": round(record.steps_per_sec, 2),
        "tokens_per_sec": round(record.tokens_per_sec, 2),
        "vocab_size": record.vocab_size,
        "train_tokens": record.train_tokens,
        "run": shown_path(out),
    }
    return dict(finite_or_null(figures))


def headline(record: RunRecord) -> str:
    """How well the run does, for people: the mean of the last losses, since one step's is that of a document or a few.

    Bits a byte rise and fall with the nats a token of bytes alone: the end of a document is a token without a byte.
    """
    if not record.last_n or not math.isfinite(record.mean_loss_last_n):
        return f"no loss to speak of after {record.steps:,} steps"
    text = f"mean training loss of the last {record.last_n} steps {record.mean_loss_last_n:.4f} nats a token"
    if math.isfinite(record.val_loss):
        text += f", validation {record.val_loss:.4f}"
    if math.isfinite(record.initial_loss):
        text += f" (before training {record.initial_loss:.4f})"
    return f"{text}; final_loss is of the last step's few texts alone"


def format_figures(figures: dict[str, Any]) -> str:
    """`key=value key=value ...`: booleans in lower case, losses with six decimals, rates with two, none for None."""
    return " ".join(f"{key}={_format(key, value)}" for key, value in figures.items())


def _format(key: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and abs(value) >= 1e9:
        return f"{value:g}"
    if isinstance(value, float):
        return f"{value:.2f}" if key.endswith("per_sec") else f"{value:.6f}"
    return str(value)
