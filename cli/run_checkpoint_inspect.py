"""`nanochat checkpoint inspect`: what a file or folder is, and the figures of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..checkpoints.inspection import Description, describe
from ..storage.strict_json import finite_or_null
from .commands import CheckpointInspectCommand
from .console import print_json, print_result, print_table
from .folders import find_folder


def execute(command: CheckpointInspectCommand) -> None:
    """Two tables, of facts and of tensors, or everything as JSON."""
    description = describe(find_folder(command.path))
    if command.json:
        print_json(
            finite_or_null(description.facts) | {"tensors": finite_or_null([asdict(t) for t in description.tensors])}
        )
        return
    print_table([{"what": what, "found": found} for what, found in _facts(description)])
    if description.tensors:
        print_result("")
        print_table(_rows(description), right=("shape", "min", "max", "norm", "bytes"))


def _facts(description: Description) -> list[tuple[str, str]]:
    """The facts as lines; those of the model among those of its folder."""
    facts = dict(description.facts)
    model = facts.pop("model", {})
    optimizer = facts.pop("optimizer", {})
    about = {name: model[name] for name in ("model_kind", "mode", "dtype") if name in model}
    lines = {
        **{name: value for name, value in facts.items() if name not in ("parameters", "bytes")},
        **({"model": ", ".join(about.values())} if about else {}),
        **{name: value for name, value in model.items() if name not in about and name not in ("format", "version")},
        **{f"optimizer {slot}": figures for slot, figures in optimizer.items()},
        **{name: f"{facts[name]:,}" for name in ("parameters", "bytes")},
    }
    if "format" in model:
        lines["model"] += f" ({model['format']}" + (f" {model['version']})" if "version" in model else ")")
    return [(name.replace("_", " "), _words(value)) for name, value in lines.items() if value not in ({}, [])]


def _rows(description: Description) -> list[dict[str, str]]:
    return [
        {
            "tensor": tensor.name,
            "shape": " x ".join(map(str, tensor.shape)) or "one number",
            "dtype": tensor.dtype,
            "min": f"{tensor.min:.4g}",
            "max": f"{tensor.max:.4g}",
            "norm": f"{tensor.norm:.4g}",
            "bytes": f"{tensor.n_bytes:,}",
        }
        for tensor in description.tensors
    ]


def _words(value: Any) -> str:
    """A table as name=value, a list with commas, what is not there as none."""
    if isinstance(value, Mapping):
        return "  ".join(f"{name}={_words(part).replace('  ', ' ')}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_words, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
