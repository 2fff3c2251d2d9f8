"""`nanochat runs`: what was run, side by side."""

from __future__ import annotations

from typing import Any

from ..experiments.reports.figures import compare_curves, save_figure
from ..experiments.runs import RunDamaged, compare_rows, find_runs, rows_of
from ..training.folder.record import read_run
from .commands import RunsCompareCommand, RunsListCommand
from .console import print_json, print_table, say
from .folders import check_free_file, find_folder


def execute(command: RunsListCommand | RunsCompareCommand) -> None:
    """A table; for a comparison also one figure of all curves."""
    if isinstance(command, RunsListCommand):
        damaged: list[RunDamaged] = []
        runs = find_runs(command.root, observe=damaged.append)
        for one in damaged:
            say(f"left out: {one.reason}")
        _print(rows_of(runs), as_json=command.json)
        if not runs and not damaged:
            say(f"no runs in {command.root} yet: train one with `nanochat train`")
    else:
        if not command.force:
            check_free_file(command.figure)
        runs = [read_run(find_folder(name)) for name in command.runs]
        _print(compare_rows(runs), as_json=command.json)
        save_figure(compare_curves(runs), command.figure, new=not command.force)
        say(f"loss curves drawn in {command.figure}")


def _print(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows)
