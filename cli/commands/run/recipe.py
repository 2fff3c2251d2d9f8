"""`nanochat train --recipe`: phases one after the other, an evaluation, and one report."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import DivergedError, UsageError
from ....plain import shown_path
from ...console import StopSignals, print_json, print_table, say
from ...options import RUNS
from ...parser import Work

if TYPE_CHECKING:
    from ....experiments.evaluation.evaluate import Report
    from ....experiments.phases.recipe import PhasedRecipe
    from ....experiments.phases.train import PhaseEvent
    from ...display.run import TrainingDisplay


def read_recipe(
    path: Path, settings: Mapping[str, Any], *, seeds: int, out: Path | None, force: bool, json: bool
) -> Work:
    """The words of `train`, where they name a recipe. Raises UsageError, ConfigError."""
    from ....experiments.phases.recipe import read_phases

    if settings:
        raise UsageError("--recipe brings its own settings: write them into the file, or train without it")
    return partial(train_recipe, path, recipe=read_phases(path), seeds=seeds, out=out, force=force, json=json)


def train_recipe(path: Path, *, recipe: PhasedRecipe, seeds: int, out: Path | None, force: bool, json: bool) -> None:
    """Train what is missing, evaluate, report; with several seeds, each in a folder of its own, and their spread.

    Raises DivergedError, or SystemExit after Ctrl-C, all being on disk.
    """
    from ....experiments.phases.spread import check_spread, with_seed, write_spread
    from ....storage.atomic import read_json
    from ...folders import claimed

    with claimed(out, RUNS, recipe.name, "recipe") as folder:
        if not seeds:
            _run(path, recipe, folder, force=force, json=json)
            return
        check_spread(folder)
        found = {}
        for i in range(seeds):
            one = folder / f"seed-{i + 1}"
            say(f"seed {i + 1}/{seeds}")
            _run(path, with_seed(recipe, i), one, force=force, json=False, locked=False, seeds=seeds, number=i + 1)
            found[one.name] = read_json(one / "evaluation.json")
        command = shlex.join(["nanochat", "train", "--recipe", shown_path(path), "--seeds", str(seeds)])
        report = write_spread(folder, recipe, found, command)
    if json:
        print_json(found)
    say(f"mean and spread of {seeds} seeds: {report}")


def _run(
    path: Path,
    recipe: PhasedRecipe,
    out: Path,
    *,
    force: bool,
    json: bool,
    locked: bool = True,
    seeds: int = 0,
    number: int = 0,
) -> None:
    """`number`: of this seed, from 1, where there are several."""
    from ....experiments.evaluation.report import to_dict
    from ....experiments.phases.recipe import configs_of
    from ....experiments.phases.report import write_phases_report
    from ....experiments.phases.train import folder_of, run_phases
    from ....experiments.reports.run import write_run_report

    with StopSignals().watched() as stop, _PhasesDisplay() as display:
        records = run_phases(recipe, out, observe=display, should_stop=stop, force=force, locked=locked)
    for phase in range(1, len(records) + 1):
        write_run_report(folder_of(out, recipe, phase))
    if records[-1].status == "diverged":
        raise DivergedError(records[-1].reason)
    if records[-1].status != "ok":
        more, home = (f" --seeds {seeds}", out.parent) if seeds else ("", out)
        say(f"stopped: `nanochat train --recipe {shown_path(path)}{more} --out {shown_path(home)}` goes on")
        raise SystemExit(stop.exit_code)
    say("evaluating ...")
    command_line = shlex.join(["nanochat", "train", "--recipe", shown_path(path)])
    if number:
        command_line += f" --seeds {number}  # in its folder {out.name}"
    report = write_phases_report(out, recipe, command_line)
    if json:
        print_json(to_dict(report))
    else:
        _print(report)
    last = f"{shown_path(out)}/{len(recipe.phases)}-{recipe.phases[-1].name}"
    is_of_characters = configs_of(recipe.phases)[-1].data.tokenizer == "char"  # with which nobody can chat
    ask = "draw with `nanochat sample" if is_of_characters else "ask with `nanochat chat"
    say(f"written to {out}: read {out / 'report.md'}, or {ask} --run {last}`")


def _print(report: Report) -> None:
    from ....experiments.evaluation.quiz import by_group
    from ....experiments.evaluation.report import share_text

    rows = [{"measure": "validation loss", "value": f"{report.text.loss:.4f}", "of": report.source}]
    rows += [
        {"measure": group, "value": share_text(share), "of": f"{share.n:,} questions"}
        for group, share in by_group(report.answered).items()
    ]
    print_table(rows)


class _PhasesDisplay:
    """A heading for each phase, and below it what a run shows."""

    def __init__(self) -> None:
        self.inner: TrainingDisplay | None = None

    def __enter__(self) -> _PhasesDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def __call__(self, event: PhaseEvent) -> None:
        from ....experiments.phases.train import PhaseStarted
        from ...display.run import TrainingDisplay

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
