"""`nanochat health`: laws tried on a run or a configuration, a table of numbers on stdout."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....errors import ConfigError, UsageError
from ....plain import shown_path
from ....training.resolve import resolve
from ...console import print_json, print_result, print_table, say
from ...options import JsonFlag, given_settings, setting_parameters
from ...parser import Commands, Work

if TYPE_CHECKING:
    from ....experiments.health.subject import Subject
    from ....training.config import RunConfig

commands = Commands()


@commands.words("health", "nanochat health --preset nanogpt-cpu", first=setting_parameters())
def _words(
    *,
    run: Annotated[str, typer.Option(help="Examine this run, or latest, with its newest weights.", metavar="RUN")] = "",
    every: Annotated[
        bool, typer.Option("--every", help="Show laws that do not apply, too, and what each says.")
    ] = False,
    figures: Annotated[
        Path | None,
        typer.Option(
            help="Folder for attention.png, embeddings.png and depth.png.",
            metavar="DIR",
            readable=False,
            rich_help_panel="Output",
        ),
    ] = None,
    json: JsonFlag = False,
    **options: Any,
) -> Work:
    """Try laws on a run, or on a configuration before it is trained: each with its number, in about a minute.

    A law that cannot be decided is not applicable, never passed. Exit code 9 where one is broken.
    """
    settings = given_settings(options)
    if run and settings:
        raise UsageError("--run has its settings: examine either a run or a configuration")
    config = None if run else resolve(settings)
    return partial(work, run=run, config=config, every=every, figures=figures, json=json)


def work(*, run: str, config: RunConfig | None, every: bool, figures: Path | None, json: bool) -> None:
    """Examine, print, and raise HealthError where a law is broken."""
    from ....experiments.health.laws import examine
    from ....experiments.health.report import check, rows, sentences, summary, to_document
    from ....experiments.health.subject import of_config, of_run
    from ...folders import find_folder

    subject = of_config(config) if config is not None else of_run(find_folder(run))
    findings = examine(subject)
    if json:
        print_json(to_document(findings, subject))
    else:
        shown = [finding for finding in findings if every or finding.number is not None]
        print_table(rows(shown), title=subject.name, right=("number",))
        said = sentences([finding for finding in shown if every or finding.verdict == "fail"])
        print_result("\n".join(["", *said, *([""] if said else []), summary(findings)]))
    if figures is not None:
        draw_figures(subject, figures)
    check(findings, subject.name)


def draw_figures(subject: Subject, folder: Path) -> None:
    """Into a folder, where none of that name is there yet."""
    from ....experiments.health.figures import draw
    from ....experiments.health.subject import NotApplicableError
    from ....storage.atomic import make_directory

    make_directory(folder)
    try:
        paths = draw(subject, folder, new=True)
    except NotApplicableError as reason:
        raise ConfigError(f"--figures draws what is inside a GPT, and {reason}: leave it out") from None
    say(f"drawn: {', '.join(map(shown_path, paths))}")
