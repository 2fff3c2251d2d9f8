"""`nanochat train --recipe`: phases one after the other, an evaluation, and one report."""

from __future__ import annotations

import shlex
from pathlib import Path

from ..errors import DivergedError
from ..experiments.evaluation.quiz import by_group
from ..experiments.evaluation.report import share_text, to_dict
from ..experiments.phases.recipe import PhasedRecipe
from ..experiments.phases.report import write_phases_report
from ..experiments.phases.train import PhaseEvent, PhaseStarted, folder_of, run_phases
from ..experiments.reports.run import write_run_report
from ..plain import shown_path
from .commands import RUNS, PhasesCommand
from .console import StopSignals, print_json, print_table, say
from .display.run import TrainingDisplay
from .folders import claimed


def execute(command: PhasesCommand) -> None:
    """Train what is missing, evaluate, report. Raises DivergedError, or SystemExit after Ctrl-C, all being on disk."""
    with claimed(command.out, RUNS, command.recipe.name, "recipe") as out:
        _run(command, out)


def _run(command: PhasesCommand, out: Path) -> None:
    recipe = command.recipe
    with StopSignals().watched() as stop, _PhasesDisplay() as display:
        records = run_phases(recipe, out, observe=display, should_stop=stop, force=command.force, locked=True)
    for number in range(1, len(records) + 1):
        write_run_report(folder_of(out, recipe, number))
    if records[-1].status == "diverged":
        raise DivergedError(records[-1].reason)
    if records[-1].status != "ok":
        say(f"stopped: `nanochat train --recipe {shown_path(command.path)} --out {shown_path(out)}` goes on")
        raise SystemExit(stop.exit_code)
    say("evaluating ...")
    report = write_phases_report(out, recipe, _command_line(command))
    if command.json:
        print_json(to_dict(report))
    else:
        rows = [{"measure": "validation loss", "value": f"{report.text.loss:.4f}", "of": report.source}]
        rows += [
            {"measure": group, "value": share_text(share), "of": f"{share.n:,} questions"}
            for group, share in by_group(report.answered).items()
        ]
        print_table(rows)
    say(f"written to {out}: read {out / 'report.md'}, or ask with `nanochat chat --run {_last(out, recipe)}`")


def _last(out: Path, recipe: PhasedRecipe) -> str:
    return f"{shown_path(out)}/{len(recipe.phases)}-{recipe.phases[-1].name}"


def _command_line(command: PhasesCommand) -> str:
    return shlex.join(["nanochat", "train", "--recipe", shown_path(command.path)])


class _PhasesDisplay:
    """A heading for each phase, and below it what a run shows."""

    def __init__(self) -> None:
        self.inner: TrainingDisplay | None = None

    def __enter__(self) -> _PhasesDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def __call__(self, event: PhaseEvent) -> None:
        if isinstance(event, PhaseStarted):
            self._close()
            done = " (done already)" if event.was_there else f" -> {event.folder}"
            say(f"phase {event.number}/{event.total}  {event.phase.name}: {event.phase.about}{done}")
            if not event.was_there:
                self.inner = TrainingDisplay(0)
                self.inner.__enter__()
        elif self.inner is not None:
            self.inner(event)

    def _close(self) -> None:
        if self.inner is not None:
            self.inner.__exit__(None, None, None)
            self.inner = None
