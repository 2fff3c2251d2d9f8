"""`nanochat report`: a report anew, from the data in the folder alone."""

from __future__ import annotations

from ..errors import CheckpointError
from ..experiments.ablation.study import CellDamaged, read_study
from ..experiments.ablation.tables import write_tables
from ..experiments.analysis.findings import analyse
from ..experiments.reports.run import write_run_report
from ..experiments.reports.study.report import write_study_report
from ..plain import shown_path
from .commands import ReportCommand
from .console import print_result, say
from .folders import find_results


def execute(command: ReportCommand) -> None:
    """Write the report, and the tables of an ablation, and print its path."""
    folder = find_results(command.folder)
    if (folder / "cells").is_dir():
        study = read_study(folder, _tell)
        write_tables(study, folder)
        print_result(shown_path(write_study_report(analyse(study), folder)))
    elif (folder / "config.json").is_file():
        print_result(shown_path(write_run_report(folder)))
    else:
        raise CheckpointError(f"{folder} holds neither a run nor an ablation: give a folder under results/")


def _tell(damaged: CellDamaged) -> None:
    say(f"note: {damaged.reason}; its cell is left out, and `nanochat ablate` runs it again")
