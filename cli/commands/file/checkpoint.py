"""`nanochat checkpoint`: models and checkpoints looked at, converted, compared, verified and pruned."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ....errors import CheckpointError, UsageError
from ....plain import shown_path
from ....storage.strict_json import finite_or_null
from ...console import print_json, print_result, print_table, say
from ...options import DryRunFlag, JsonFlag, check_count
from ...parser import Commands, Work

if TYPE_CHECKING:
    from ....checkpoints.difference import Difference
    from ....checkpoints.inspection import Description

commands = Commands("Models and checkpoints on disk.", "nanochat checkpoint inspect latest")
_ANY = "A run, a checkpoint, a model file, a folder of GPT-2, or latest."
_Source = Annotated[str, typer.Argument(help=_ANY, metavar="PATH")]


@commands.work("inspect", "nanochat checkpoint inspect latest")
def inspect(path: _Source = "latest", *, json: JsonFlag = False) -> None:
    """Say what a file or folder is and what its weights are like."""
    from ....checkpoints.inspection import describe
    from ...folders import find_folder

    description = describe(find_folder(path))
    if json:
        tensors = [asdict(tensor) for tensor in description.tensors]
        print_json(finite_or_null({**description.facts, "tensors": tensors}))
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


@commands.words("convert", "nanochat checkpoint convert latest names.json --compress gzip")
def _convert(
    source: Annotated[str, typer.Argument(help=_ANY, metavar="SRC")],
    target: Annotated[
        Path, typer.Argument(help="Its ending decides: .safetensors, .json, .json.gz.", metavar="DST", readable=False)
    ],
    to: Annotated[Literal["gpt2"] | None, typer.Option(help="Make DST a folder in Hugging Face's layout.")] = None,
    compress: Annotated[Literal["gzip"] | None, typer.Option(help="Pack a .json: .gz is added to DST.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over a DST that is there.", rich_help_panel="Output")
    ] = False,
    json: JsonFlag = False,
) -> Work:
    """Write a model in another format, every float exactly; a run or checkpoint gives its newest weights."""
    from ....checkpoints.formats.arrays import FORMATS

    known = target.name.endswith(FORMATS)
    if to is None and not known:
        raise UsageError(
            f"DST {target} names no format: end it in {', '.join(FORMATS)}, or pass --to gpt2 for a folder"
        )
    if to and (known or compress):
        what = f"DST {target}" if known else "--compress gzip"
        raise UsageError(f"{what} does not go with --to gpt2, which writes a folder: leave out one of them")
    if compress and target.name.endswith(".safetensors"):
        raise UsageError(f"--compress gzip does not go with DST {target}: only .json is packed")
    if compress and not target.name.endswith(".gz"):
        target = target.with_name(f"{target.name}.gz")
    return partial(convert_model, source=source, target=target, to=to, force=force, json=json)


def convert_model(*, source: str, target: Path, to: Literal["gpt2"] | None, force: bool, json: bool) -> None:
    """Write the model to a file whose ending names the format, or to a folder of GPT-2."""
    import numpy as np

    from ....checkpoints.find import read_model
    from ....checkpoints.formats.arrays import array_format
    from ....checkpoints.gpt2.folder import save_gpt2
    from ....checkpoints.weights import save_snapshot
    from ...folders import check_free_file, find_folder

    origin = find_folder(source)
    if not force:
        check_free_file(target)
    snapshot = read_model(origin)[1]
    if to == "gpt2":
        save_gpt2(target, snapshot, new=not force)
    else:
        save_snapshot(target, snapshot, new=not force)
    files = sorted(target.iterdir()) if to else [target]
    figures = {
        "target": shown_path(target),
        "format": to or array_format(target).lstrip("."),
        "parameters": sum(np.size(weight) for weight in snapshot.weights.values()),
        "bytes": sum(file.stat().st_size for file in files),
    }
    if json:
        print_json(figures | {"source": shown_path(origin)})
    else:
        print_result(" ".join(f"{key}={value}" for key, value in figures.items()))
        if to and not (target / "tokenizer.json").exists():
            kind = snapshot.tokenizer["kind"]
            say(
                f"without a tokenizer: that layout has none for {kind}; the model can be read, but spells no text there"
            )


@commands.work("diff", "nanochat checkpoint diff results/runs/a results/runs/b")
def diff(
    first: Annotated[str, typer.Argument(help=_ANY, metavar="A")],
    second: Annotated[str, typer.Argument(help="The same.", metavar="B")],
    *,
    json: JsonFlag = False,
) -> None:
    """Compare two models, settings and weights. Exits with 0 where they are identical, else with 4."""
    from ....checkpoints.difference import compare
    from ....checkpoints.find import read_model
    from ...folders import find_folder

    paths = [find_folder(name) for name in (first, second)]
    found = compare(*(read_model(path)[1] for path in paths))
    n_equal = sum(weight.n_equal == weight.size for weight in found.weights)
    if json:
        compared = {"first": shown_path(paths[0]), "second": shown_path(paths[1]), "identical": found.identical}
        weights = finite_or_null([asdict(weight) for weight in found.weights])
        print_json(compared | {"fields": dict(found.fields), "unmatched": dict(found.unmatched), "weights": weights})
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
        raise CheckpointError(f"{paths[0]} and {paths[1]} are not identical: {summary}")


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


def _short(value: Any) -> str:
    """A vocabulary has thousands of entries: its beginning and end."""
    return "none" if value is None else reprlib.repr(value)


def _shape(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else " x ".join(map(str, shape))


@commands.work("verify", "nanochat checkpoint verify results/runs/a names.safetensors")
def verify(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Runs, checkpoints, files; latest.", metavar="PATH...")
    ] = None,
    *,
    json: JsonFlag = False,
) -> None:
    """Read everything and say of each whether it is whole or damaged. Exits with 4 if any is damaged.

    A checkpoint has a checksum of every file. A single file has none: there a number that was changed goes unseen.
    """
    from ....checkpoints.inspection import examine
    from ...folders import find_folder

    folders = [find_folder(name) for name in paths or ["latest"]]
    findings = [finding for folder in folders for finding in examine(folder)]
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
    if json:
        print_json(rows)
    else:
        print_table(rows if damaged else [{k: v for k, v in row.items() if k != "damage"} for row in rows])
    if damaged:
        raise CheckpointError(f"{len(damaged)} of {len(findings)} are damaged: {damaged[0].damage}")


@commands.work("prune", "nanochat checkpoint prune latest --keep-last 2 --dry-run")
def prune_run(
    run: Annotated[str, typer.Argument(help="Folder of a run, or latest.", metavar="RUN")],
    keep_last: Annotated[int, typer.Option(help="Whole checkpoints to keep, the newest.", metavar="N")] = 2,
    *,
    dry_run: DryRunFlag = False,
    json: JsonFlag = False,
) -> None:
    """Remove the checkpoints of a run but the newest N whole ones and the best."""
    from ....checkpoints.directory import list_checkpoints, prune, superfluous
    from ....checkpoints.names import step_of
    from ....storage.lock import folder_locked
    from ...folders import find_folder

    check_count("--keep-last", keep_last, 1)
    path = find_folder(run)
    parent = path / "checkpoints"
    before = {step_of(folder): folder for folder in list_checkpoints(parent)}
    if not before:
        raise CheckpointError(f"{path} holds no checkpoints: give the folder of a run (see `nanochat runs list`)")
    best = _best(path, before.keys())
    options: dict[str, Any] = {"keep_last": keep_last, "keep": () if best is None else (best,)}
    if dry_run:
        removed = superfluous(parent, **options)
    else:
        with folder_locked(path, "run"):  # a training prunes by itself, and needs what it has kept
            removed = prune(parent, **options)
    words = {True: "would be removed" if dry_run else "removed", False: "kept"}
    rows = []
    for step, folder in before.items():
        word = words[folder in removed]
        what = "best" if word == "kept" and step == best else word
        rows.append({"step": step, "what": what, "path": shown_path(folder)})
    if json:
        print_json(rows)
    else:
        print_table(rows, right=("step",))
        say(f"{len(removed)} of {len(before)} checkpoints {words[True]}")


def _best(run: Path, steps: Collection[int]) -> int | None:
    """The step of the whole checkpoint with the least validation loss, if there is one."""
    from ....checkpoints.find import find_model_file
    from ....checkpoints.names import step_of
    from ....training.folder.record import read_metrics

    validated = {row["step"] for row in read_metrics(run / "metrics.jsonl") if "val_loss" in row}
    return step_of(find_model_file(run, "best").parent) if validated.intersection(steps) else None
