"""`nanochat checkpoint inspect`, `convert`, `diff`, `verify`, `prune`: their words, turned into commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import UsageError
from . import commands as c
from .options import DryRunFlag, JsonFlag, check_count
from .root import checkpoint

_ENDINGS = (".safetensors", ".json", ".json.gz")
"""checkpoints.arrays.FORMATS, whose import costs what --help need not pay; a test compares them."""
_ANY = "A run, a checkpoint, a model file, a folder of GPT-2, or latest."
_Source = Annotated[str, typer.Argument(help=_ANY, metavar="PATH")]


@checkpoint.command("inspect", epilog="Example: nanochat checkpoint inspect latest")
def _inspect(path: _Source = "latest", json: JsonFlag = False) -> c.Command:
    """Say what a file or folder is and what its weights are like."""
    return c.CheckpointInspectCommand(path=path, json=json)


@checkpoint.command("convert", epilog="Example: nanochat checkpoint convert latest names.json --compress gzip")
def _convert(
    source: Annotated[str, typer.Argument(help=_ANY, metavar="SRC")],
    target: Annotated[
        Path, typer.Argument(help="Its ending decides: .safetensors, .json, .json.gz.", metavar="DST", readable=False)
    ],
    to: Annotated[Literal["gpt2"] | None, typer.Option(help="Make DST a folder in Hugging Face's layout.")] = None,
    compress: Annotated[Literal["gzip"] | None, typer.Option(help="Pack a .json: .gz is added to DST.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a DST that is there.")] = False,
    json: JsonFlag = False,
) -> c.Command:
    """Write a model in another format, every float exactly; a run or checkpoint gives its newest weights."""
    known = target.name.endswith(_ENDINGS)
    if to is None and not known:
        raise UsageError(
            f"DST {target} names no format: end it in {', '.join(_ENDINGS)}, or pass --to gpt2 for a folder"
        )
    if to and (known or compress):
        what = f"DST {target}" if known else "--compress gzip"
        raise UsageError(f"{what} does not go with --to gpt2, which writes a folder: leave out one of them")
    if compress and target.name.endswith(".safetensors"):
        raise UsageError(f"--compress gzip does not go with DST {target}: only .json is packed")
    if compress and not target.name.endswith(".gz"):
        target = target.with_name(f"{target.name}.gz")
    return c.CheckpointConvertCommand(source=source, target=target, to=to, force=force, json=json)


@checkpoint.command("diff", epilog="Example: nanochat checkpoint diff results/runs/a results/runs/b")
def _diff(
    first: Annotated[str, typer.Argument(help=_ANY, metavar="A")],
    second: Annotated[str, typer.Argument(help="The same.", metavar="B")],
    json: JsonFlag = False,
) -> c.Command:
    """Compare two models, settings and weights. Exits with 0 where they are identical, else with 4."""
    return c.CheckpointDiffCommand(first=first, second=second, json=json)


@checkpoint.command("verify", epilog="Example: nanochat checkpoint verify results/runs/a names.safetensors")
def _verify(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Runs, checkpoints, files; latest.", metavar="PATH...")
    ] = None,
    json: JsonFlag = False,
) -> c.Command:
    """Read everything and say of each whether it is whole or damaged. Exits with 4 if any is damaged.

    A checkpoint has a checksum of every file. A single file has none: there a number that was changed goes unseen.
    """
    return c.CheckpointVerifyCommand(paths=tuple(paths or ("latest",)), json=json)


@checkpoint.command("prune", epilog="Example: nanochat checkpoint prune latest --keep-last 2 --dry-run")
def _prune(
    run: Annotated[str, typer.Argument(help="Folder of a run, or latest.", metavar="RUN")],
    keep_last: Annotated[int, typer.Option(help="Whole checkpoints to keep, the newest.", metavar="N")] = 2,
    dry_run: DryRunFlag = False,
    json: JsonFlag = False,
) -> c.Command:
    """Remove the checkpoints of a run but the newest N whole ones and the best."""
    check_count("--keep-last", keep_last, 1)
    return c.CheckpointPruneCommand(run=run, keep_last=keep_last, dry_run=dry_run, json=json)
