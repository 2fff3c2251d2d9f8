"""How a run that goes on looks: a bar that moves in a terminal, a line for each validation anywhere. All on stderr."""

from __future__ import annotations

import math
import time

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ...machine import processes
from ...training.config import RunConfig
from ...training.run import Evaluated, Event, Prepared, Sampled
from ...training.schedule import epoch_of
from ...training.trainer import StepMetrics
from ...training.transfer import Transfer
from ..console import Remarks

_REDRAW_S = 0.1


class TrainingDisplay:
    """Follows the events of one run: a bar that moves in a terminal, a line for each validation elsewhere.

    A rate is of steps alone: the time until a step's event since the one before, whatever that was, is the step's.
    """

    def __init__(self, steps: int) -> None:
        self.steps, self.first_step, self.n_steps, self.n_tokens = steps, 0, 0, 0
        self.console = Remarks()
        self.loss = self.val_loss = math.nan
        self.training_s = self.drawn = self.steps_per_epoch = self.epoch_nats = 0.0
        self.epoch_tokens = 0
        self.started = self.latest = time.monotonic()
        self.progress = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            auto_refresh=False,  # by a thread, beside which no process is forked (machine.py)
        )
        self.task = self.progress.add_task("", total=steps, figures="")

    def __enter__(self) -> TrainingDisplay:
        if self.console.is_terminal:
            self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.console.is_terminal:
            self.progress.stop()

    def __call__(self, event: Event) -> None:
        before, self.latest = self.latest, time.monotonic()
        if isinstance(event, StepMetrics):
            self.training_s += self.latest - before
            self._step(event)
            self._count_epoch(event)
        elif isinstance(event, Prepared):
            self.console.say(describe(event))
            self.steps, self.first_step, self.started = event.config.training.steps, event.first_step, self.latest
            self.progress.update(
                self.task, total=self.steps, completed=self.first_step, refresh=self.console.is_terminal
            )
            epochs = event.config.training.epochs
            self.steps_per_epoch = self.steps / epochs if epochs else 0.0
        elif isinstance(event, Evaluated):
            self.val_loss = event.evaluation.loss
            self.console.say(self._line(event))
        elif isinstance(event, Sampled):
            self.console.say(f"  step {event.step:>5}  sample: {event.text!r}")

    def _step(self, event: StepMetrics) -> None:
        self.loss, self.n_steps, self.n_tokens = event.loss, self.n_steps + 1, self.n_tokens + event.n_tokens
        if self.console.is_terminal and (self.latest - self.drawn > _REDRAW_S or event.step == self.steps):
            self.drawn = self.latest
            rate = self.n_tokens / max(1e-9, self.training_s)
            self.progress.update(
                self.task,
                completed=event.step,
                figures=f"loss {event.loss:.3f}  val {self.val_loss:.3f}  {rate:,.0f} tok/s",
                refresh=True,
            )

    def _count_epoch(self, event: StepMetrics) -> None:
        """A line at the end of each epoch, where the run is measured in epochs: its mean loss in nats a token."""
        if not self.steps_per_epoch:
            return
        self.epoch_nats += event.loss * event.n_tokens
        self.epoch_tokens += event.n_tokens
        epoch = epoch_of(event.step, self.steps_per_epoch)
        if epoch < epoch_of(event.step + 1, self.steps_per_epoch):
            self.console.say(f"  epoch {epoch:>4}: loss {self.epoch_nats / max(1, self.epoch_tokens):.4f}")
            self.epoch_nats, self.epoch_tokens = 0.0, 0

    def _line(self, event: Evaluated) -> str:
        line = f"  step {event.step:>5}/{self.steps}"
        if self.n_steps:
            line += f"  loss {self.loss:.4f}"
        line += f"  val {event.evaluation.loss:.4f}  {event.evaluation.bits_per_byte:.3f} bits/byte"
        if not self.n_steps:
            return line
        left = (self.latest - self.started) / self.n_steps * (self.steps - event.step)  # validations included
        return f"{line}  {self.n_steps / max(1e-9, self.training_s):.1f} steps/s  {left:.0f} s left"


def describe(event: Prepared) -> str:
    """The run in a line or two."""
    config = event.config
    text = (
        f"{config.preset} ({_engine(config)}), {event.n_parameters:,} parameters, {config.data.source}: "
        f"{event.n_train_tokens:,} training tokens, {config.model.vocab_size} in the vocabulary, "
        f"layout {config.data.layout}"
    )
    if event.first_step:
        text += f"\ngoing on after step {event.first_step} of {config.training.steps}"
    if event.transferred is not None:
        text += f"\n{_taken(config.start_from, event.transferred, config.model.vocab_size)}"
    if event.val_is_train:
        text += "\nthe text is too short to keep a part for validation: the validation loss is of text trained on"
    if event.counts_loss is not None:
        who = "a bigram with an untied head" if config.model.tie_lm_head else "training"
        text += f"\ncounting pairs gives a validation loss of {event.counts_loss:.4f}: what {who} can approach"
    return text


def _engine(config: RunConfig) -> str:
    """tensor;  tensor, torch on cuda, 2 processes"""
    if config.backend == "numpy":
        return config.mode
    n = processes().size
    return f"{config.mode}, {config.backend} on {config.device}" + (f", {n} processes" if n > 1 else "")


def _taken(source: str, taken: Transfer, vocab_size: int) -> str:
    """What the run begins with, and what stayed behind."""
    text = f"begins with {len(taken.loaded) + len(taken.remapped)} weights of {source}"
    if taken.remapped:
        text += f", {', '.join(taken.remapped)} by token ({taken.n_tokens:,} of {vocab_size:,} were known)"
    for name, reason in taken.skipped.items():
        text += f"\n  not taken: {name}: {reason}"
    return text
