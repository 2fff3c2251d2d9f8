"""`nanochat graph`: the graph of an expression, or of the loss of a run's next step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ....errors import ConfigError, UsageError
from ....plain import typed
from ...console import print_result, say
from ...options import ReplaceFlag, check_count
from ...parser import Commands, Work

if TYPE_CHECKING:
    from ....engine.scalar.pictures.picture import Picture
    from ....engine.scalar.value import Value
    from ....models.base import Model

commands = Commands()
Format = Literal["mermaid", "dot", "svg"]
Level = Literal["values", "parts", "calls"]

_ENDINGS: dict[str, Format] = {
    ".svg": "svg",
    ".dot": "dot",
    ".gv": "dot",
    **dict.fromkeys((".mmd", ".md", ".txt", ""), "mermaid"),
}


@commands.words("graph", 'nanochat graph "a*b + relu(c)" a=2 b=-3 c=10 --out graph.svg')
def _words(
    expression: Annotated[str, typer.Argument(help="What to draw; leave it out to draw a step of --run.")] = "",
    values: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE...", help="A number for each name.")] = None,
    run: Annotated[str, typer.Option(help="Folder of a run, or latest; scalar but for --level parts.")] = "latest",
    level: Annotated[
        Level,
        typer.Option(help="Each number; each named part of a model; or what --compile makes calls of, as a table."),
    ] = "values",
    format: Annotated[Format | None, typer.Option(help="By default the ending of --out, or mermaid.")] = None,
    max_nodes: Annotated[int, typer.Option(help="Draw at most so many, the nearest to the result.")] = 60,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write; stdout if left out.", metavar="FILE", readable=False, rich_help_panel="Output"
        ),
    ] = None,
    force: ReplaceFlag = False,
) -> Work:
    """Draw the graph of an expression, or of the loss of a run's next step, with values and gradients."""
    check_count("--max-nodes", max_nodes, 1)
    if level == "calls" and format:
        raise UsageError("--level calls is a table of text: leave --format out")
    if level == "calls" and out and out.suffix in (".svg", ".dot", ".gv", ".mmd"):
        raise UsageError(f"--level calls is a table of text, and --out {out} names a picture: end it in .txt")
    if level == "parts" and expression:
        raise UsageError("--level parts is of a run's model: leave the expression out, or take --level values")
    ending = out.suffix if out else ""
    if format is None and ending not in _ENDINGS:
        raise UsageError(f"--out {out} names no format that is drawn: end it in .svg, .dot or .mmd, or give --format")
    return partial(
        work,
        expression=typed(expression),
        values=_numbers(map(typed, values or ())),
        run=run,
        level=level,
        format=format or _ENDINGS[ending],
        max_nodes=max_nodes,
        out=out,
        force=force,
    )


def _numbers(assignments: Iterable[str]) -> dict[str, float]:
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


def work(
    *,
    expression: str,
    values: Mapping[str, float],
    run: str,
    level: Level,
    format: Format,
    max_nodes: int,
    out: Path | None,
    force: bool,
) -> None:
    """Draw to a file or to stdout: the expression, or without one a step of the run."""
    from ....engine.scalar.pictures.svg import render
    from ....engine.scalar.pictures.text import dot, mermaid
    from ....storage.atomic import write_text
    from ...folders import check_free_file, find_folder

    if out is not None and not force:
        check_free_file(out)
    if level == "calls":
        picture = _calls(expression, values, run)
    else:
        if level == "parts":
            shown = _parts(find_folder(run))
        else:
            root, labels = _expression(expression, values) if expression else _next_step(find_folder(run))
            shown = _values(root, labels, max_nodes)
        picture = {"mermaid": mermaid, "dot": dot, "svg": render}[format](shown).rstrip("\n")
    if out is None:
        print_result(picture)
    else:
        write_text(out, picture + "\n", new=not force)
        say(f"written to {out}")


def _calls(expression: str, values: Mapping[str, float], run: str) -> str:
    from ...display.calls import calls_of_expression, calls_of_run
    from ...folders import find_folder

    return calls_of_expression(*_expression(expression, values)) if expression else calls_of_run(find_folder(run))


def _expression(expression: str, values: Mapping[str, float]) -> tuple[Value, dict[Value, str]]:
    from ....engine.scalar.pictures.expression import evaluate

    try:
        root, names = evaluate(expression, **values)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return root, {value: name for name, value in names.items()}


def _values(root: Value, labels: Mapping[Value, str], max_nodes: int) -> Picture:
    from ....engine.scalar.pictures.picture import picture

    root.backward()
    return picture(root, labels=labels, max_nodes=max_nodes)


def _parts(path: Path) -> Picture:
    """The named parts of the run's model, with the gradients of the batch that would come next."""
    from ....engine.module import Module
    from ....models.gpt.picture import picture_of

    model, loss, _ = _loss_of_next_step(path)
    assert isinstance(model, Module), "every model of ours is made of parts"
    loss.backward()
    return picture_of(model)


def _next_step(path: Path) -> tuple[Value, dict[Value, str]]:
    """The loss of the run's model on the batch that would come next, its weights named."""
    model, loss, mode = _loss_of_next_step(path)
    if mode != "scalar":
        raise ConfigError(
            f"{path} is a run in mode {mode}, whose graph holds arrays: give a scalar run, or draw its --level parts"
        )
    labels = {}
    for name, parameter in model.named_parameters():
        for i, row in enumerate(parameter):
            for j, leaf in enumerate(row if isinstance(row, list) else [row]):
                labels[leaf] = f"{name}[{i},{j}]" if isinstance(row, list) else f"{name}[{i}]"
    return loss, labels


def _loss_of_next_step(path: Path) -> tuple[Model, Any, str]:
    from ....inference.language_model import load
    from ....training.folder.record import read_run
    from ....training.prepare import prepare

    run = read_run(path)
    session = prepare(run.config.on_numpy())
    language_model = load(path)
    if session.config.model != language_model.config:
        raise ConfigError(f"{run.config.data.source} is no longer the text that {path} was trained on: restore it")
    batch = session.batches.batch(run.record.steps if run.record else 0)
    return language_model.model, language_model.model.loss(*batch), run.config.mode
