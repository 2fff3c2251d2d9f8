"""`nanochat graph`: the graph of an expression, or of the loss of a run's next step."""

from __future__ import annotations

from pathlib import Path

from ..engine.scalar.pictures.expression import evaluate
from ..engine.scalar.pictures.text import to_dot, to_mermaid, to_svg
from ..engine.scalar.value import Value
from ..errors import ConfigError, UsageError
from ..inference.language_model import load
from ..storage.atomic import write_text
from ..training.folder.record import read_run
from ..training.prepare import prepare
from .commands import GraphCommand
from .console import print_result, say
from .folders import check_free_file, find_folder


def execute(command: GraphCommand) -> None:
    """Draw to --out or to stdout."""
    if command.out is not None and not command.force:
        check_free_file(command.out)
    if command.expression:
        root, labels = _expression(command)
    else:
        root, labels = _next_step(find_folder(command.run))
    root.backward()
    draw = {"mermaid": to_mermaid, "dot": to_dot, "svg": to_svg}[command.format]
    picture = draw(root, labels=labels, max_nodes=command.max_nodes)
    if command.out is None:
        print_result(picture.rstrip("\n"))
    else:
        write_text(command.out, picture.rstrip("\n") + "\n", new=not command.force)
        say(f"written to {command.out}")


def _expression(command: GraphCommand) -> tuple[Value, dict[Value, str]]:
    try:
        root, names = evaluate(command.expression, **command.values)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return root, {value: name for name, value in names.items()}


def _next_step(path: Path) -> tuple[Value, dict[Value, str]]:
    """The loss of the run's model on the batch that would come next, its weights named."""
    run = read_run(path)
    if run.config.mode != "scalar":
        raise ConfigError(f"{path} is a run in mode {run.config.mode}, whose graph holds arrays: give a scalar run")
    workshop = prepare(run.config)
    language_model = load(path)
    if workshop.config.model != language_model.config:
        raise ConfigError(f"{run.config.data.source} is no longer the text that {path} was trained on: restore it")
    batch = workshop.batches.batch(run.record.steps if run.record else 0)
    loss = language_model.model.loss(*batch)
    labels = {}
    for name, parameter in language_model.model.named_parameters():
        for i, row in enumerate(parameter):
            for j, leaf in enumerate(row if isinstance(row, list) else [row]):
                labels[leaf] = f"{name}[{i},{j}]" if isinstance(row, list) else f"{name}[{i}]"
    return loss, labels
