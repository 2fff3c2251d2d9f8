"""The tables of a study, ablation.csv and ablation.jsonl: a row a finished cell."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...storage.atomic import write_text
from ...storage.strict_json import finite_or_null
from ...training.folder.record import RunRecord, to_row
from .axes import read
from .cells import Measured
from .grid import AblationConfig
from .study import Study

_SPENT = {"tokens": "tokens", "flops": "train_flops"}
"""Where a result has what it spent of its budget."""

SHARES = {"val_loss_25": 0.25, "val_loss_50": 0.5, "val_loss_75": 0.75}
"""Columns of the validation loss on the way, after these shares of the steps."""


def write_tables(study: Study, folder: Path) -> None:
    """ablation.csv and ablation.jsonl from the cells there are. Raises WriteError."""
    rows = to_rows(study)
    write_text(folder / "ablation.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    write_text(folder / "ablation.csv", to_csv(rows, columns(study.config)))


def columns(config: AblationConfig) -> list[str]:
    """The 14 of nanochat-rs-next first and in its order, the rest of a record, what was measured, the other axes.

    Last, where the variants share a budget of tokens or operations: what was asked of it, and what the cell spent.
    """
    fields = ["variant", *RunRecord.__dataclass_fields__, *SHARES, *Measured.__dataclass_fields__]
    fields += ["text_loss", "text_tokens"]
    others = [path.rpartition(".")[2] for path in config.varied]
    if config.budget in _SPENT:
        others += ["budget", "budget_asked", "budget_spent"]
    return fields + [name for name in others if name not in fields]


def to_rows(study: Study) -> list[dict[str, Any]]:
    """One mapping a finished cell, all with the same keys in the same order; None where there is no number."""
    rows, config = [], study.config
    for result in study.results:
        row = {path.rpartition(".")[2]: read(result.cell.config, path) for path in config.varied}
        row |= finite_or_null({name: result.loss_at(share) for name, share in SHARES.items()})
        row |= finite_or_null(asdict(result.measured))
        row |= {**to_row(result.record), "variant": result.cell.variant}
        text = result.text
        row |= {"text_loss": text.loss if text else None, "text_tokens": text.n_tokens if text else None}
        if config.budget in _SPENT:
            spent = getattr(result.measured, _SPENT[config.budget])
            row |= {"budget": config.budget, "budget_asked": config.budget_asked, "budget_spent": spent}
        rows.append({name: row[name] for name in columns(config)})
    return rows


def to_csv(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> str:
    """Header and rows: floats with 6 decimals, bools lower-case, what is missing empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_as_text(row[name]) for name in names] for row in rows)
    return text.getvalue()


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6f}" if abs(value) < 1e15 else f"{value:.6e}"
    return str(value)
