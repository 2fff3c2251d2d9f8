"""`nanochat report`: a report anew, from the data in the folder alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ....errors import CheckpointError, UsageError
from ....plain import shown_path
from ...console import print_result, say
from ...parser import Commands

if TYPE_CHECKING:
    from ....experiments.ablation.study import CellDamaged

commands = Commands()


@commands.work("report", "nanochat report results/runs/microgpt-names-0001")
def report(
    *,
    folder: Annotated[str, typer.Argument(help="Folder of a run, an ablation, compressed models; latest.")] = "latest",
    html: Annotated[bool, typer.Option("--html", help="Also report.html, one file with its pictures inside.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Also report.tex, the table of a study for a paper.")] = False,
) -> None:
    """Write report.md and its figures anew from the data in a folder."""
    from ....checkpoints.names import COMPRESSION
    from ....checkpoints.ownership import STUDY, is_ours
    from ....experiments.ablation.study import read_study
    from ....experiments.ablation.tables import write_tables
    from ....experiments.analysis.findings import analyse
    from ....experiments.compression.front import write_front_report
    from ....experiments.compression.record import folders_of
    from ....experiments.compression.report import write_compression_report
    from ....experiments.ladder.climb import read_climbed
    from ....experiments.ladder.register import REGISTER
    from ....experiments.ladder.report import write_ladder_report
    from ....experiments.reports.page import write_page
    from ....experiments.reports.run import write_run_report
    from ....experiments.reports.study.latex import write_latex
    from ....experiments.reports.study.report import write_study_report
    from ...folders import find_results

    path = find_results(folder)
    if (path / "cells").is_dir():
        study = read_study(path, _tell)
        write_tables(study, path)
        analysis = analyse(study)
        print_result(shown_path(write_study_report(analysis, path)))
        if latex:
            print_result(shown_path(write_latex(analysis, path)))
    elif (path / COMPRESSION).is_file() or folders_of(path):
        if latex:
            raise UsageError(f"{path} holds compressed models, and --latex writes the table of a study: leave it out")
        alone = (path / COMPRESSION).is_file()
        print_result(shown_path(write_compression_report(path) if alone else write_front_report(path)))
    elif (path / REGISTER).is_file():
        if latex:
            raise UsageError(f"{path} holds a ladder, and --latex writes the table of one study: give that of a rung")
        print_result(shown_path(write_ladder_report(read_climbed(path), path)))
    elif is_ours(path / "config.json", STUDY):
        raise CheckpointError(f"{path / 'cells'} is missing: restore it from a copy, or run the study again")
    elif latex:
        raise UsageError(f"{path} holds no ablation, and --latex writes the table of one: leave it out")
    elif (path / "config.json").is_file():
        print_result(shown_path(write_run_report(path)))
    else:
        raise CheckpointError(f"{path} holds neither a run nor an ablation: give a folder under results/")
    if html:
        print_result(shown_path(write_page(path / "report.md")))


def _tell(damaged: CellDamaged) -> None:
    say(f"note: {damaged.reason}; its cell is left out, and `nanochat ablate` runs it again")
