"""`nanochat learn sweep`: milestone 2. Your change, certified, against the project's own over seeds."""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from ....errors import ConfigError
from ....plain import shown_path
from ...console import print_result, say
from ...parser import Commands
from .check import LAW_BROKEN, check_once, print_for_people
from .folder import HERE, DirOption, command

commands = Commands()


@commands.work("sweep", "nanochat learn sweep --out my-study")
def sweep(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Your change, if it lies elsewhere.", readable=False)
    ] = None,
    *,
    dir: DirOption = HERE,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the study.", metavar="DIR", readable=False, rich_help_panel="Output"),
    ] = None,
) -> None:
    """Milestone 2: certify your change, train with and without it over the seeds of your study, write its page.

    The study comes first: study.toml beside your change, which the first call writes for you to fill in. Started
    again, it goes on where it stopped. Your file runs in a process of its own; that is no sandbox.
    """
    from ....course import sweeping
    from ....course.workspace import open_workspace
    from ....experiments.ablation.study import read_study
    from ....experiments.analysis.findings import analyse
    from ....experiments.reports.sentences import answer
    from ....experiments.reports.study.report import write_study_report
    from ....storage.atomic import write_text
    from ....storage.reading import read_bytes

    space, key = open_workspace(dir), sweeping.KEY
    path, study = file or space.path(key), space.path(key).with_name(sweeping.NAME)
    if not study.exists():
        write_text(study, sweeping.TEMPLATE, new=True)
        raise ConfigError(
            f"{shown_path(study)} is written: say there what you ask and what you expect, then type this again"
        )
    plan = sweeping.read_plan(study)
    show = partial(print_for_people, plain=False, steps=False, folder=dir)
    if not check_once(space, key, path, seed=None, law="", show=show).passed:
        raise typer.Exit(LAW_BROKEN)
    goal = out or study.with_name("sweep")
    sweeping.keep(study, path, goal)
    sweeping.sweep(path, space.variant(key), plan, goal, lambda number, of, words: say(f"{number} of {of}: {words}"))
    sweeping.write_remark(plan, space.variant(key), sha256(read_bytes(path)).hexdigest(), goal)
    analysis = analyse(read_study(goal))
    page = write_study_report(analysis, goal)
    print_result(f"you asked: {plan.question}\nyou expected: {plan.expect}\nit came: {answer(analysis)}")
    print_result(f"written: {shown_path(page)}        again: nanochat report {shown_path(goal)}")
    print_result(f"hand in: {command('submit', dir)}")
