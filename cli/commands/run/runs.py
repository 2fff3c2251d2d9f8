"""`nanochat runs list`, `compare`: what was run, side by side."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ....errors import ConfigError, UsageError
from ....plain import shown_path
from ...console import print_json, print_table, say
from ...options import RUNS, JsonFlag, ReplaceFlag
from ...parser import Commands, Work

_COMPARED = Path("results/compare.png")

commands = Commands("What was run so far.", "nanochat runs list")


@commands.work("list", "nanochat runs list")
def list_runs(
    *, root: Annotated[Path, typer.Option(help="Folder of runs.", readable=False)] = RUNS, json: JsonFlag = False
) -> None:
    """List runs, newest first."""
    from ....experiments.runs import RunDamaged, find_runs, rows_of

    damaged: list[RunDamaged] = []
    runs = find_runs(root, observe=damaged.append)
    for one in damaged:
        say(f"left out: {one.reason}")
    _print(rows_of(runs), as_json=json)
    if not runs and not damaged:
        say(f"no runs in {root} yet: train one with `nanochat train`")


@commands.words("compare", "nanochat runs compare results/runs/a results/runs/b")
def _compare(
    *,
    folders: Annotated[list[str], typer.Argument(metavar="RUN...", help="Folders of runs, or of ablations.")],
    figure: Annotated[
        Path | None, typer.Option(help=f"Where the loss curves go.  [default: {_COMPARED}]", readable=False)
    ] = None,
    force: ReplaceFlag = False,
    json: JsonFlag = False,
) -> Work:
    """Put runs side by side, and their loss curves on one figure; that of the default name is drawn anew.

    Of ablations: the settings that differ, and each variant that they share, seed by seed; without a figure.
    """
    if len(folders) < 2:
        raise UsageError("runs compare takes two runs or more: list them with `nanochat runs list`")
    return partial(compare_runs, folders, figure=figure or _COMPARED, force=force or not figure, json=json)


def compare_runs(folders: list[str], *, figure: Path, force: bool, json: bool) -> None:
    """A table, and one figure of all curves."""
    from ....experiments.reports.figures import compare_curves, save_figure
    from ....experiments.runs import compare_rows
    from ....training.folder.record import read_run
    from ...folders import check_free_file, find_folder, find_results

    are_studies = [(find_results(name) / "cells").is_dir() for name in folders]
    if all(are_studies):
        compare_studies([find_results(name) for name in folders], as_json=json)
        return
    if any(are_studies):
        raise ConfigError(f"{' and '.join(folders)} are runs and ablations: compare those of one kind")
    if not force:
        check_free_file(figure)
    runs = [read_run(find_folder(name)) for name in folders]
    _print(compare_rows(runs), as_json=json)
    save_figure(compare_curves(runs), figure, new=not force)
    say(f"loss curves drawn in {figure}")


def compare_studies(folders: list[Path], *, as_json: bool) -> None:
    """Two tables, or both as JSON."""
    from ....experiments.ablation.study import read_study
    from ....experiments.analysis.studies import settings_that_differ, variants_shared

    labels = [shown_path(path.name) for path in folders]
    if len(set(labels)) < len(labels):
        labels = [shown_path(path) for path in folders]
    if len(set(labels)) < len(labels):
        raise UsageError(f"runs compare {' '.join(labels)} names one ablation twice: name two")
    studies = {label: read_study(path) for label, path in zip(labels, folders, strict=True)}
    settings, variants = settings_that_differ(studies), variants_shared(studies)
    if as_json:
        print_json({"settings": settings, "variants": variants})
        return
    for rows in (settings, variants):
        _print(rows, as_json=False)


def _print(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows)
