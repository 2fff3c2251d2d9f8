"""`nanochat checkpoint convert` and `diff`: one model in another format, two models side by side."""

from __future__ import annotations

import reprlib
from dataclasses import asdict
from typing import Any

import numpy as np

from ..checkpoints.difference import Difference, compare
from ..checkpoints.find import read_model
from ..checkpoints.formats.arrays import array_format
from ..checkpoints.gpt2.folder import save_gpt2
from ..checkpoints.weights import save_snapshot
from ..errors import CheckpointError
from ..plain import shown_path
from ..storage.strict_json import finite_or_null
from .commands import CheckpointConvertCommand, CheckpointDiffCommand
from .console import print_json, print_result, print_table, say
from .folders import check_free_file, find_folder


def execute(command: CheckpointConvertCommand | CheckpointDiffCommand) -> None:
    """Raises CheckpointError where two models differ: the exit code says so."""
    if isinstance(command, CheckpointConvertCommand):
        _convert(command)
    else:
        _diff(command)


def _convert(command: CheckpointConvertCommand) -> None:
    source, target = find_folder(command.source), command.target
    if not command.force:
        check_free_file(target)
    snapshot = read_model(source)[1]
    if command.to == "gpt2":
        save_gpt2(target, snapshot)
    else:
        save_snapshot(target, snapshot)
    files = sorted(target.iterdir()) if command.to else [target]
    figures = {
        "target": shown_path(target),
        "format": command.to or array_format(target).lstrip("."),
        "parameters": sum(np.size(weight) for weight in snapshot.weights.values()),
        "bytes": sum(file.stat().st_size for file in files),
    }
    if command.json:
        print_json(figures | {"source": shown_path(source)})
    else:
        print_result(" ".join(f"{key}={value}" for key, value in figures.items()))
        if command.to and not (target / "tokenizer.json").exists():
            kind = snapshot.tokenizer["kind"]
            say(
                f"without a tokenizer: that layout has none for {kind}; the model can be read, but spells no text there"
            )


def _diff(command: CheckpointDiffCommand) -> None:
    first, second = (find_folder(name) for name in (command.first, command.second))
    found = compare(read_model(first)[1], read_model(second)[1])
    n_equal = sum(weight.n_equal == weight.size for weight in found.weights)
    if command.json:
        compared = {"first": shown_path(first), "second": shown_path(second), "identical": found.identical}
        print_json(compared | _plain(found))
    elif found.identical:
        n = sum(weight.size for weight in found.weights)
        print_result(f"identical: every setting, and {n_equal} weights with {n:,} numbers, bit for bit")
    else:
        _print_tables(found)
    if not found.identical:
        counts = {
            "settings": len(found.fields),
            "weights that do not match": len(found.unmatched),
            "weights with other numbers": len(found.weights) - n_equal,
        }
        summary = ", ".join(f"{n} {what}" for what, n in counts.items() if n)
        raise CheckpointError(f"{first} and {second} are not identical: {summary}")


def _print_tables(found: Difference) -> None:
    """What differs, a table for settings and one for weights; weights that are equal are not listed."""
    tables: list[list[dict[str, Any]]] = [
        [{"setting": name, "first": _short(a), "second": _short(b)} for name, (a, b) in found.fields.items()],
        [{"weight": name, "first": _shape(a), "second": _shape(b)} for name, (a, b) in found.unmatched.items()],
        [
            {
                "weight": weight.name,
                "numbers": f"{weight.size:,}",
                "equal_bits": f"{weight.n_equal:,}",
                "max_abs": f"{weight.max_abs:.3g}",
                "relative": f"{weight.relative:.3g}",
            }
            for weight in found.weights
            if weight.n_equal < weight.size
        ],
    ]
    for n, rows in enumerate(table for table in tables if table):
        if n:
            print_result("")
        print_table(rows, right=("numbers", "equal_bits", "max_abs", "relative"))


def _plain(found: Difference) -> dict[str, Any]:
    """As JSON has it: an infinite distance, for which it has no word, is null."""
    weights = finite_or_null([asdict(weight) for weight in found.weights])
    return {"fields": dict(found.fields), "unmatched": dict(found.unmatched), "weights": weights}


def _short(value: Any) -> str:
    """A vocabulary has thousands of entries: its beginning and end."""
    return "none" if value is None else reprlib.repr(value)


def _shape(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else " x ".join(map(str, shape))
