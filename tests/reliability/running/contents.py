"""What a folder holds, times aside: by this two folders are compared, one of a lone command and one of a crowd."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from nanochat.checkpoints.directory import list_checkpoints, verify
from nanochat.errors import CheckpointError
from nanochat.experiments.ablation.study import read_study
from nanochat.training.folder.record import read_run, to_row

Contents = dict[str, str]
"""Name of a part -> digest of what does not depend on the clock."""


def contents_of(folder: Path) -> Contents:
    """Of a run, a study, the phases of a recipe, or of nothing at all. Raises NanochatError on damage."""
    if not folder.exists():
        return {}
    if (folder / "recipe.json").is_file():
        found = {"recipe.json": _digest((folder / "recipe.json").read_bytes())}
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                found |= {f"{path.name}/{name}": value for name, value in contents_of(path).items()}
        return found
    if (folder / "cells").is_dir():
        study = read_study(folder)
        losses = sorted((r.cell.key, r.record.status, list(r.losses)) for r in study.results)
        return {"config.json": _digest((folder / "config.json").read_bytes()), "cells": _digest(_json(losses))}
    if (folder / "config.json").is_file():
        return _run(folder)
    return {path.name: "unknown" for path in sorted(folder.iterdir()) if path.name != ".lock"}


def _run(folder: Path) -> Contents:
    run, checkpoints = read_run(folder), list_checkpoints(folder / "checkpoints")
    for path in checkpoints:
        verify(path)
    files = [folder / name for name in ("config.json", "tokenizer.json", "metrics.jsonl")]
    found = {path.name: _digest(path.read_bytes()) for path in files if path.exists()}
    if checkpoints:
        newest = checkpoints[-1]
        found |= {f"{newest.name}/{path.name}": _digest(path.read_bytes()) for path in sorted(newest.iterdir())}
    if run.record is not None:
        row = {name: value for name, value in to_row(run.record).items() if not name.endswith("_per_sec")}
        if run.record.status == "ok" and not checkpoints:
            raise CheckpointError("a run that ended well has no checkpoint")
        found["record.json"] = _digest(_json(row))
    return found


def left_behind(folder: Path) -> list[str]:
    """Drafts, locks and what was moved out of the way: all our names for these begin with a dot."""
    return sorted(os.fsdecode(path.relative_to(folder)) for path in folder.rglob(".*")) if folder.is_dir() else []


def difference(expected: Contents, found: Contents) -> str:
    """The names of the parts that are not alike."""
    names = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    return ", ".join(names)


def _json(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
