"""One cell of a study, from its config to what it left behind: run, measured, and every way to fail made a result."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors import GuardError, NanochatError, NanochatWarning
from ...machine import cpu_s, forget_peak, peak_bytes
from ...models.flops import flops_per_token
from ...training.config import RunConfig
from ...training.folder.record import RunRecord, describe_environment
from ...training.run import Ended, Evaluated, Event, Prepared, run_training
from ...training.trainer import StepMetrics
from .grid import Cell
from .text import TextLoss, text_loss


@dataclass(frozen=True)
class Validation:
    """One point of a validation curve; loss in nats a token."""

    step: int
    loss: float


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a cell cost, and how its gradients were; nan where nothing was measured."""

    wall_s: float = math.nan
    cpu_s: float = math.nan
    """Of all threads of the process, and of processes that work for it."""
    peak_memory_bytes: int = 0
    """Most resident memory of the process while the cell ran, with what processes that work for it took besides; since
    the process began where that cannot be reset."""
    tokens: int = 0
    """Targets trained on."""
    flops_per_token: int = 0
    train_flops: int = 0
    """flops_per_token * tokens."""
    grad_norm_mean: float = math.nan
    """Global L2 norm before clipping, over the steps."""
    grad_norm_max: float = math.nan
    grad_norm_last: float = math.nan
    clipped_share: float = math.nan
    """Share of the steps whose gradient was clipped to max_grad_norm."""


TIMES = ("steps_per_sec", "tokens_per_sec", "wall_s", "cpu_s", "peak_memory_bytes")
"""Columns that differ from one machine, and one hour, to the next."""


@dataclass(frozen=True)
class CellResult:
    """What a cell left behind."""

    cell: Cell
    record: RunRecord
    losses: tuple[float, ...]
    """Training loss of every step, nats a token."""
    validations: tuple[Validation, ...]
    measured: Measured = Measured()
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Machine, versions and digests of what it read, where it was computed; empty in files of an earlier version."""
    text: TextLoss | None = None
    """Of the last weights, block by block; None where it did not end well, and in files of an earlier version."""

    @property
    def is_ok(self) -> bool:
        """It ran to its end, and the loss there is a number."""
        return self.record.status == "ok" and math.isfinite(self.record.val_loss)

    @property
    def is_finished(self) -> bool:
        """It ended by itself: well, or diverged, which it would again. What failed is worth another try."""
        return self.record.status in ("ok", "diverged")

    def loss_at(self, share: float) -> float:
        """Validation loss after that share of the steps: of the last validation in the quarter of the run before;
        nan without one."""
        steps = self.cell.config.training.steps
        near = [point for point in self.validations if (share - 1 / 4) * steps < point.step <= share * steps]
        return near[-1].loss if near else math.nan


def compared_loss(results: Iterable[CellResult]) -> Callable[[CellResult], float]:
    """Which loss of a run is compared: that on the whole validation text where every run that ended well has one, else
    that of the last validation. Never the one of some and the other of others."""
    ok = [result for result in results if result.is_ok]
    if ok and all(result.text is not None and result.text.is_whole for result in ok):
        return lambda result: result.text.loss if result.text else math.nan
    return lambda result: result.record.val_loss


def run_cell(
    cell: Cell,
    *,
    observe: Callable[[Event], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> CellResult:
    """Run the cell. What a guard refuses and what the settings or data cannot do is a result with a reason."""
    steps: list[StepMetrics] = []
    validations: list[Validation] = []
    config = cell.config
    ended: list[Ended] = []

    def listen(event: Event) -> None:
        nonlocal config
        if isinstance(event, Prepared):
            config = event.config  # with the vocabulary of the data
        elif isinstance(event, StepMetrics):
            steps.append(event)
        elif isinstance(event, Evaluated):
            validations.append(Validation(event.step, event.evaluation.loss))
        elif isinstance(event, Ended):
            ended.append(event)
        observe(event)

    environment = describe_environment(config)
    forget_peak()
    wall, cpu = time.perf_counter(), cpu_s()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NanochatWarning)  # about the data of all cells: said before the first
            record = run_training(cell.config, observe=listen, should_stop=should_stop)
    except (GuardError, MemoryError) as error:
        record = no_record(cell, "refused", str(error) or "not enough memory")
    except NanochatError as error:
        record = no_record(cell, "failed", str(error))
    measured = _measure(config, steps, wall_s=time.perf_counter() - wall, cpu_s=cpu_s() - cpu)
    text = text_loss(ended[0].session, cell.n_blocks) if ended else None  # after the clock: it is none of training
    losses = tuple(step.loss for step in steps)
    return CellResult(cell, record, losses, tuple(validations), measured, environment, text)


def failed_cell(cell: Cell, reason: str) -> CellResult:
    """The result of a cell whose process ended without one."""
    return CellResult(cell, no_record(cell, "failed", reason), (), ())


def no_record(cell: Cell, status: str, reason: str) -> RunRecord:
    """A record of a run that has no figures."""
    return RunRecord.of(cell.config, status=status, reason=reason)


def _measure(config: RunConfig, steps: list[StepMetrics], *, wall_s: float, cpu_s: float) -> Measured:
    norms, limit = [step.grad_norm for step in steps], config.training.max_grad_norm
    tokens, each = sum(step.n_tokens for step in steps), flops_per_token(config.model)
    measured = Measured(wall_s=wall_s, cpu_s=cpu_s, peak_memory_bytes=peak_bytes(), flops_per_token=each)
    if not norms:
        return measured
    return replace(
        measured,
        tokens=tokens,
        train_flops=each * tokens,
        grad_norm_mean=math.fsum(norms) / len(norms),
        grad_norm_max=max(norms),
        grad_norm_last=norms[-1],
        clipped_share=sum(norm > limit > 0 for norm in norms) / len(norms),
    )
