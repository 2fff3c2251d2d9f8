"""`nanochat graph`, `doctor`: their words, turned into commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import UsageError
from ..plain import typed
from . import commands as c
from .options import JsonFlag, ReplaceFlag, check_count
from .root import app


@app.command("graph", epilog='Example: nanochat graph "a*b + relu(c)" a=2 b=-3 c=10 --out graph.svg')
def _graph(
    expression: Annotated[str, typer.Argument(help="What to draw; leave it out to draw a step of --run.")] = "",
    values: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE...", help="A number for each name.")] = None,
    run: Annotated[str, typer.Option(help="Folder of a scalar run, or latest.")] = "latest",
    format: Annotated[
        Literal["mermaid", "dot", "svg"] | None, typer.Option(help="By default the ending of --out, or mermaid.")
    ] = None,
    max_nodes: Annotated[int, typer.Option(help="Draw at most so many, the nearest to the result.")] = 60,
    out: Annotated[
        Path | None, typer.Option(help="File to write; stdout if left out.", metavar="FILE", readable=False)
    ] = None,
    force: ReplaceFlag = False,
) -> c.Command:
    """Draw the graph of an expression, or of the loss of a run's next step, with values and gradients."""
    check_count("--max-nodes", max_nodes, 1)
    endings: dict[str, Any] = {".svg": "svg", ".dot": "dot", ".gv": "dot"}
    endings |= dict.fromkeys((".mmd", ".md", ".txt", ""), "mermaid")
    ending = out.suffix if out else ""
    if format is None and ending not in endings:
        raise UsageError(f"--out {out} names no format that is drawn: end it in .svg, .dot or .mmd, or give --format")
    chosen = format or endings[ending]
    return c.GraphCommand(
        expression=typed(expression),
        values=_numbers(list(map(typed, values or []))),
        run=run,
        format=chosen,
        max_nodes=max_nodes,
        out=out,
        force=force,
    )


@app.command("doctor", epilog="Example: nanochat doctor")
def _doctor(json: JsonFlag = False) -> c.Command:
    """Look at this machine: versions, cores, memory, and whether results can be written."""
    return c.DoctorCommand(json=json)


def _numbers(assignments: list[str]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for text in assignments:
        name, _, value = text.partition("=")
        if name in numbers:
            raise UsageError(f"{text!r} is a second number for {name}: give one")
        try:
            numbers[name] = float(value)
        except ValueError:
            raise UsageError(f"{text!r} gives no number to a name: write e.g. {name or 'a'}=2") from None
    return numbers
