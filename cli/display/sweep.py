"""How a sweep that goes on looks: a table of its variants that moves in a terminal, a line for each cell anywhere."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ...experiments.ablation.cells import CellResult
from ...experiments.ablation.forecast import CellForecast, forecast, noise_floor
from ...experiments.ablation.grid import AblationConfig, Cell
from ...experiments.ablation.sweep import AblationEvent, CellDamaged, CellDone, CellsPlanned, CellStarted
from ...experiments.reports.numbers import digits
from ...experiments.statistics.intervals import mean
from ...plain import terminal
from ...storage.strict_json import finite_or_null
from ...training.trainer import StepMetrics
from ..console import Remarks, print_json, print_result, print_table, say

_PER_SECOND = 4
_ROWS = 20
"""Variants shown; of more, those at work come first."""


class SweepDisplay:
    """Follows the events of a sweep. The cost of a cell is taken to be its steps: time left is told by those."""

    def __init__(self, config: AblationConfig) -> None:
        self.console = Remarks()
        self.running: dict[str, str] = {}  # key of a cell -> variant
        self.steps_run = self.steps_here = 0
        self._plan(config.cells())
        self.started = time.monotonic()
        self.live = Live(
            console=self.console, transient=True, get_renderable=self.table, refresh_per_second=_PER_SECOND
        )

    def __enter__(self) -> SweepDisplay:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def __call__(self, event: AblationEvent) -> None:
        if isinstance(event, CellsPlanned):
            self._plan(event.cells)
        elif isinstance(event, StepMetrics):
            self.steps_here = event.step
        elif isinstance(event, CellStarted):
            self.running[event.cell.key] = event.cell.variant
        elif isinstance(event, CellDone):
            self._done(event)
        elif isinstance(event, CellDamaged):
            self.console.say(f"  {event.reason}; its cell is run again")

    def table(self) -> Group:
        """Variants with what is done, at work, and found so far; a line with the time."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("variant", "done", "running", "mean val loss", "best"):
            table.add_column(name, justify="left" if name == "variant" else "right")
        at_work = list(self.running.values())  # a copy: this is drawn from a thread
        names = sorted(self.results, key=lambda name: name not in at_work)[:_ROWS]
        for name in [name for name in self.results if name in names]:
            losses = [result.record.val_loss for result in self.results[name] if result.is_ok]
            table.add_row(
                Text(terminal(name)),
                f"{len(self.results[name])}/{self.planned[name]}",
                str(at_work.count(name) or ""),
                digits(mean(losses)) if losses else "",
                digits(min(losses)) if losses else "",
            )
        return Group(table, Text(self._time()))

    def _plan(self, cells: Sequence[Cell]) -> None:
        """These are to be run now."""
        self.planned = Counter(cell.variant for cell in cells)
        self.results: dict[str, list[CellResult]] = {name: [] for name in self.planned}
        self.steps_left = sum(cell.config.training.steps for cell in cells)

    def _done(self, event: CellDone) -> None:
        result, record = event.result, event.result.record
        self.running.pop(result.cell.key, None)
        self.results[result.cell.variant].append(result)
        steps, self.steps_here = result.cell.config.training.steps, 0
        self.steps_left -= steps
        line = f"  cell {event.number:>3}/{event.total}  {result.cell.variant}  seed {record.seed}"
        line += f"  val {digits(record.val_loss)}" if result.is_ok else f"  {record.status}: {record.reason}"
        if event.was_there:
            self.console.say(f"{line}  (there already)")
            return
        self.steps_run += steps
        rate = "" if math.isnan(record.steps_per_sec) else f"  {record.steps_per_sec:.1f} steps/s"
        self.console.say(f"{line}{rate}  {duration(self.seconds_left())} left")

    def seconds_left(self) -> float:
        """By the steps that are done, those of a cell in this process included."""
        done, left = self.steps_run + self.steps_here, self.steps_left - self.steps_here
        return (time.monotonic() - self.started) / done * left if done else math.nan

    def _time(self) -> str:
        elapsed, left = time.monotonic() - self.started, self.seconds_left()
        return f"{duration(elapsed)} gone, " + (f"{duration(left)} left" if math.isfinite(left) else "timing ...")


def duration(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `2 h 5 min`; a dash for what is not known."""
    if not math.isfinite(seconds):
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def plural(n: int, what: str) -> str:
    """`1 seed`, `1,000 seeds`."""
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def print_noise(config: AblationConfig, n_runs: int, slots: int) -> None:
    """What the scatter of the baseline lets the study see."""
    found = noise_floor(config, n_runs, jobs=slots)
    say(
        f"noise: {plural(len(found.losses), 'run')} of the baseline end at {digits(mean(found.losses))}, standard "
        f"deviation {digits(found.sd)}; {plural(config.seeds, 'seed')} show a difference of "
        f"{digits(found.smallest)} nats with a chance of 80 %, and less where a seed's runs scatter together"
    )


def print_plan(config: AblationConfig, slots: int, *, cluster: bool, as_json: bool) -> None:
    """A line a cell and one about all, or both as JSON; `slots` cells at a time, in processes here or on a cluster."""
    found = forecast(config, slots=slots, processes=slots > 1 and not cluster)
    prospects, cells = found.by_variant, config.cells()
    for name, prospect in prospects.items():
        if prospect.reason:
            say(f"note: cells of {name} would not even begin: {prospect.reason}")
    if as_json:
        content = {
            "cells": [_row(cell, prospects[cell.variant]) for cell in cells],
            "drawn": config.drawn,
            "skipped": config.skipped,
            "budget": {"of": config.budget, "asked": config.budget_asked, "given": dict(config.budget_given)},
            "jobs": slots,
            "start_s": found.start_s,
            "predicted_s": finite_or_null(found.seconds),
        }
        print_json(content)
        return
    print_table([_line(cell, prospects[cell.variant]) for cell in cells], right=("memory", "time"))
    tuning = config.tune_seeds * sum(map(len, config.tune.values())) * len(config.variants)
    most = "at most " if config.looks else ""
    more = f", and {plural(tuning, 'run')} or more of the tuning" if tuning else ""
    where = f"on {plural(slots, 'thread')} of the cluster" if cluster else f"with --jobs {slots}"
    print_result(
        f"{plural(len(config.variants), 'variant')} x {plural(config.seeds, 'seed')} = "
        f"{most}{plural(len(cells), 'cell')}{more}, "
        f"about {duration(found.seconds)} {where}, the report aside, and "
        f"{_mib(max(prospect.memory_bytes for prospect in prospects.values()))} a process"
    )


def _row(cell: Cell, prospect: CellForecast) -> dict[str, Any]:
    return {
        "variant": cell.variant,
        "seed": cell.config.seed,
        "steps": cell.config.training.steps,
        "parameters": prospect.n_parameters,
        "memory_bytes": prospect.memory_bytes,
        "predicted_s": finite_or_null(prospect.seconds),
        "key": cell.key,
    }


def _line(cell: Cell, prospect: CellForecast) -> dict[str, Any]:
    """The same for people."""
    row = _row(cell, prospect)
    shown = {"memory": _mib(row.pop("memory_bytes")), "time": duration(prospect.seconds), "key": row.pop("key")}
    return {name: value for name, value in row.items() if name != "predicted_s"} | shown


def _mib(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:,.0f} MiB" if n_bytes else "-"
