"""What a sweep would do, for --dry-run: its cells, how large they are, and how long they would take. Writes nothing."""

from __future__ import annotations

import math
from typing import Any

from ..experiments.forecast import Prospect, forecast
from ..experiments.grid import AblationConfig, Cell
from .console import print_json, print_result, print_table, say
from .sweep_display import duration, plural


def print_plan(config: AblationConfig, slots: int, *, cluster: bool, as_json: bool) -> None:
    """A line a cell and one about all, or both as JSON; `slots` cells at a time, in processes here or on a cluster."""
    found = forecast(config, slots=slots, processes=slots > 1 and not cluster)
    prospects, cells = found.prospects, config.cells()
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
            "predicted_s": _known(found.seconds),
        }
        print_json(content)
        return
    print_table([_line(cell, prospects[cell.variant]) for cell in cells], right=("memory", "time"))
    where = f"on {plural(slots, 'thread')} of the cluster" if cluster else f"with --jobs {slots}"
    print_result(
        f"{plural(len(config.variants), 'variant')} x {plural(config.seeds, 'seed')} = {plural(len(cells), 'cell')}, "
        f"about {duration(found.seconds)} {where}, the report aside, and "
        f"{_mib(max(prospect.memory_bytes for prospect in prospects.values()))} a process"
    )


def _row(cell: Cell, prospect: Prospect) -> dict[str, Any]:
    return {
        "variant": cell.variant,
        "seed": cell.config.seed,
        "steps": cell.config.training.steps,
        "parameters": prospect.n_parameters,
        "memory_bytes": prospect.memory_bytes,
        "predicted_s": _known(prospect.seconds),
        "key": cell.key,
    }


def _line(cell: Cell, prospect: Prospect) -> dict[str, Any]:
    """The same for people."""
    row = _row(cell, prospect)
    shown = {"memory": _mib(row.pop("memory_bytes")), "time": duration(prospect.seconds), "key": row.pop("key")}
    return {name: value for name, value in row.items() if name != "predicted_s"} | shown


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _mib(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:,.0f} MiB" if n_bytes else "-"
