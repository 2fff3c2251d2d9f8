"""What the compiler makes of a graph: its levels, from the numbers to the result, and the calls that they became."""

from __future__ import annotations

from pathlib import Path

from ...engine.compiled.program import Group, Program
from ...engine.scalar.value import Value
from ...errors import ConfigError

_HEAD = ("level", "op", "nodes", "calls forward", "calls back")


def calls_of_expression(root: Value, names: dict[Value, str]) -> str:
    """Of an expression, its names being the weights."""
    leaves = [(name, [value]) for value, name in names.items() if not value.parents]
    return table(Program([root], leaves), "the expression")


def calls_of_run(path: Path) -> str:
    """Of the loss of the row that a run would train on next. Raises ConfigError for a run of arrays."""
    from ...models.build import build_model
    from ...training.backends.replay import rows_of, trace_loss
    from ...training.folder.record import read_run
    from ...training.prepare import prepare

    run = read_run(path)
    if run.config.mode != "scalar":
        raise ConfigError(f"{path} is a run in mode {run.config.mode}, which has calls already: give a scalar run")
    session = prepare(run.config)
    row = next(rows_of(session.batches.batch(run.record.steps if run.record else 0)))
    program = trace_loss(build_model(session.config.model, "scalar"), row.shape, 1)
    return table(program, f"a row of {row.shape.length} tokens")


def table(program: Program, what: str) -> str:
    """A line for each group of nodes, and their sum in a sentence."""
    rows = [_HEAD, *(_cells(group) for group in program.groups)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    lines = ["  ".join(f"{cell:{'<' if i == 1 else '>'}{widths[i]}}" for i, cell in enumerate(row)) for row in rows]
    n_nodes, n_levels = sum(group.n_nodes for group in program.groups), program.groups[-1].level
    forward, back = len(program.forward_calls.calls), len(program.backward_calls.calls)
    said = f"{n_nodes:,} nodes of {what} in {n_levels} levels became {forward + back} calls"
    return "\n".join([*lines, "", f"{said}: {forward} forward, {back} back"])


def _cells(group: Group) -> tuple[str, ...]:
    return str(group.level), group.kind, f"{group.n_nodes:,}", str(group.n_forward), str(group.n_back)
