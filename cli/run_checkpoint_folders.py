"""`nanochat checkpoint verify` and `prune`: which checkpoints are whole, and which of them stay."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..checkpoints.directory import list_checkpoints, prune, superfluous
from ..checkpoints.find import find_model_file
from ..checkpoints.inspection import examine
from ..checkpoints.names import step_of
from ..errors import CheckpointError
from ..plain import shown_path
from ..storage.lock import folder_locked
from ..training.folder.record import read_metrics
from .commands import CheckpointPruneCommand, CheckpointVerifyCommand
from .console import print_json, print_table, say
from .folders import find_folder


def execute(command: CheckpointVerifyCommand | CheckpointPruneCommand) -> None:
    """A table of checkpoints. Raises CheckpointError where one is damaged."""
    if isinstance(command, CheckpointVerifyCommand):
        _verify(command)
    else:
        _prune(command)


def _verify(command: CheckpointVerifyCommand) -> None:
    paths = [find_folder(name) for name in command.paths]
    findings = [finding for path in paths for finding in examine(path)]
    damaged = [finding for finding in findings if finding.damage]
    rows = [
        {
            "path": shown_path(finding.path),
            "kind": finding.kind,
            "state": "damaged" if finding.damage else "whole",
            "damage": finding.damage,
        }
        for finding in findings
    ]
    if command.json:
        print_json(rows)
    else:
        print_table(rows if damaged else [{k: v for k, v in row.items() if k != "damage"} for row in rows])
    if damaged:
        raise CheckpointError(f"{len(damaged)} of {len(findings)} are damaged: {damaged[0].damage}")


def _prune(command: CheckpointPruneCommand) -> None:
    run = find_folder(command.run)
    parent = run / "checkpoints"
    before = {step_of(folder): folder for folder in list_checkpoints(parent)}
    if not before:
        raise CheckpointError(f"{run} holds no checkpoints: give the folder of a run (see `nanochat runs list`)")
    best = _best(run, before.keys())
    options: dict[str, Any] = {"keep_last": command.keep_last, "keep": () if best is None else (best,)}
    if command.dry_run:
        removed = superfluous(parent, **options)
    else:
        with folder_locked(run, "run"):  # a training prunes by itself, and needs what it has kept
            removed = prune(parent, **options)
    words = {True: "would be removed" if command.dry_run else "removed", False: "kept"}
    rows = []
    for step, folder in before.items():
        word = words[folder in removed]
        what = "best" if word == "kept" and step == best else word
        rows.append({"step": step, "what": what, "path": shown_path(folder)})
    if command.json:
        print_json(rows)
    else:
        print_table(rows, right=("step",))
        say(f"{len(removed)} of {len(before)} checkpoints {words[True]}")


def _best(run: Path, steps: Collection[int]) -> int | None:
    """The step of the whole checkpoint with the least validation loss, if there is one."""
    validated = {row["step"] for row in read_metrics(run / "metrics.jsonl") if "val_loss" in row}
    return step_of(find_model_file(run, "best").parent) if validated.intersection(steps) else None
