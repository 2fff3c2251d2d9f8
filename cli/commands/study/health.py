"""`nanochat health`: laws tried on a run or a configuration, a table of numbers on stdout."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....errors import UsageError
from ....training.resolve import resolve
from ...console import print_json, print_result, print_table
from ...options import JsonFlag, given_settings, setting_parameters
from ...parser import Commands, Work

if TYPE_CHECKING:
    from ....training.config import RunConfig

commands = Commands()


@commands.words("health", "nanochat health --preset nanogpt-cpu", first=setting_parameters())
def _words(
    *,
    run: Annotated[str, typer.Option(help="Examine this run, or latest, with its newest weights.", metavar="RUN")] = "",
    every: Annotated[
        bool, typer.Option("--every", help="Show laws that do not apply, too, and what each says.")
    ] = False,
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
    return partial(work, run=run, config=config, every=every, json=json)


def work(*, run: str, config: RunConfig | None, every: bool, json: bool) -> None:
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
    check(findings, subject.name)
