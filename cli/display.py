"""How a run that goes on looks: a bar that moves in a terminal, a line for each validation anywhere. All on stderr."""

from __future__ import annotations

import math
import time

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..training.run import Evaluated, Event, Prepared, Sampled
from ..training.trainer import StepMetrics
from .console import Remarks

_REDRAW_S = 0.1


class TrainingDisplay:
    """Follows the events of one run: a bar that moves in a terminal, a line for each validation elsewhere."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.console = Remarks()
        self.loss = self.val_loss = math.nan
        self.n_tokens, self.drawn = 0, 0.0
        self.started = time.monotonic()
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
        if isinstance(event, StepMetrics):
            self._step(event)
        elif isinstance(event, Prepared):
            self.console.say(describe(event))
            self.started = time.monotonic()
        elif isinstance(event, Evaluated):
            self.val_loss = event.evaluation.loss
            self.console.say(self._line(event))
        elif isinstance(event, Sampled):
            self.console.say(f"  step {event.step:>5}  sample: {event.text!r}")

    def _step(self, event: StepMetrics) -> None:
        self.loss, self.n_tokens = event.loss, self.n_tokens + event.n_tokens
        now = time.monotonic()
        if self.console.is_terminal and (now - self.drawn > _REDRAW_S or event.step == self.steps):
            self.drawn = now
            rate = self.n_tokens / max(1e-9, now - self.started)
            self.progress.update(
                self.task,
                completed=event.step,
                figures=f"loss {event.loss:.3f}  val {self.val_loss:.3f}  {rate:,.0f} tok/s",
            )

    def _line(self, event: Evaluated) -> str:
        line = f"  step {event.step:>5}/{self.steps}"
        if event.step:
            elapsed = time.monotonic() - self.started
            left = elapsed / event.step * (self.steps - event.step)
            line += f"  loss {self.loss:.4f}"
        line += f"  val {event.evaluation.loss:.4f}  {event.evaluation.bits_per_byte:.3f} bits/byte"
        return line + (f"  {event.step / elapsed:.1f} steps/s  {left:.0f} s left" if event.step else "")


def describe(event: Prepared) -> str:
    """The run in a line or two."""
    config = event.config
    text = (
        f"{config.preset} ({config.mode}), {event.n_parameters:,} parameters, {config.data.source}: "
        f"{event.n_train_tokens:,} training tokens, {config.model.vocab_size} in the vocabulary, "
        f"layout {config.data.layout}"
    )
    if event.val_is_train:
        text += "\nthe text is too short to keep a part for validation: the validation loss is of text trained on"
    if event.counts_loss is not None:
        who = "a bigram with an untied head" if config.model.tie_lm_head else "training"
        text += f"\ncounting pairs gives a validation loss of {event.counts_loss:.4f}: what {who} can approach"
    return text
