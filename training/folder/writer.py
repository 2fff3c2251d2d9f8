"""Everything that a run writes while it goes on: its lines of metrics, its checkpoints, and which of these stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...checkpoints.directory import list_checkpoints, prune
from ...checkpoints.names import step_of
from ..events import Evaluated, Event
from ..prepare import Workshop
from ..trainer import StepMetrics
from .checkpoint import copy_checkpoint, write_checkpoint
from .log import span
from .metrics import MetricsFile
from .record import RunFolder, RunRecord
from .resume import ResumePlan
from .state import Progress, fingerprint


class Archive:
    """The folder of a run, or, without one, nothing."""

    def __init__(self, out: Path | None, workshop: Workshop, plan: ResumePlan | None = None) -> None:
        self.folder = RunFolder(out) if out else None
        self.workshop, self.plan = workshop, plan
        self.metrics: MetricsFile | None = None
        self.saved_step = -1
        self.data_sha256 = ""

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The folder as it is before the next step: new, cut back to a checkpoint, or a branch. Raises WriteError."""
        if self.folder is None:
            yield
            return
        plan, config, tokenizer = self.plan, self.workshop.config, self.workshop.dataset.tokenizer.to_dict()
        if plan is None or plan.override:
            self.data_sha256 = fingerprint(self.workshop.dataset)
        else:  # they were compared, or we would not have come this far
            self.data_sha256 = plan.state.data_sha256
        if plan is None:
            self.folder.start(config, tokenizer)
        elif plan.in_place:
            self.folder.go_on(config, tokenizer, plan.state.step)
        else:
            self.folder.start(config, tokenizer, plan.metrics())
            copy_checkpoint(plan.checkpoint, self.folder.checkpoints, plan.state.step)
        if plan is not None:
            self.saved_step = plan.state.step
        with self.folder.metrics(append=plan is not None) as self.metrics:
            yield

    def note(self, event: Event) -> None:
        """A line of metrics, where the event has figures."""
        if self.metrics is None:
            return
        if isinstance(event, StepMetrics):
            self.metrics.write(
                step=event.step, loss=event.loss, lr=event.lr, grad_norm=event.grad_norm, n_tokens=event.n_tokens
            )
        elif isinstance(event, Evaluated):
            found = event.evaluation
            self.metrics.write(
                step=event.step, val_loss=found.loss, bits_per_byte=found.bits_per_byte, n_val_tokens=found.n_tokens
            )

    def save(self, progress: Progress) -> Path | None:
        """The checkpoint of this step, on disk and verified before older ones go; None where it is there already."""
        if self.folder is None or self.metrics is None or progress.step == self.saved_step:
            return None
        with span("checkpoint", step=progress.step):
            self.metrics.sync()
            path = write_checkpoint(self.folder.checkpoints, self.workshop, progress, self.data_sha256)
            self.tidy(progress)
        self.saved_step = progress.step
        return path

    def tidy(self, progress: Progress) -> None:
        """Remove the checkpoints that are neither among the last nor the best."""
        keep_last = self.workshop.config.training.keep_last
        if self.folder is None or not keep_last:
            return
        there = {step_of(folder) for folder in list_checkpoints(self.folder.checkpoints)}
        best = progress.best(among=there)
        prune(self.folder.checkpoints, keep_last=keep_last, keep=() if best is None else (best,))

    def last_before(self, step: int) -> Path | None:
        """The newest checkpoint of an earlier step."""
        if self.folder is None:
            return None
        earlier = [folder for folder in list_checkpoints(self.folder.checkpoints) if step_of(folder) < step]
        return earlier[-1] if earlier else None

    def finish(self, record: RunRecord) -> None:
        """Write record.json."""
        if self.folder is not None:
            self.folder.finish(record)
