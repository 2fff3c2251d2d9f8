"""`nanochat ablate`, `report`, `runs`, `certify`, `bench`: their words, turned into commands."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import UsageError
from ..models.presets import PRESETS
from ..training.resolve import merge
from ..validation import nearest
from . import commands as c
from .options import (
    DryRunFlag,
    ForceFlag,
    JsonFlag,
    OutFlag,
    ReplaceFlag,
    check_count,
    count_or_auto,
    given_settings,
    resolve_options,
)
from .root import app, runs, with_settings


@app.command("ablate", epilog="Example: nanochat ablate --model-kind mini-gpt --axis norm=rms,layer --steps 200")
@with_settings(without=("--sample-every", "--checkpoint-every", "--keep-last", "--checkpoint-format"))
def _ablate(
    *,
    study: Annotated[
        str | None, typer.Option(help="A named study or a .toml file; head-and-norm without --axis.", metavar="NAME")
    ] = None,
    axis: Annotated[
        list[str] | None,
        typer.Option(help="A field and its values, the baseline's first; repeatable.", metavar="F=A,B"),
    ] = None,
    design: Annotated[
        Literal["grid", "one-at-a-time"] | None, typer.Option(help="All combinations, or single changes.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs of each variant; 8, or 3 for models that take long.")] = None,
    max_cells: Annotated[
        int | None, typer.Option(help="At most so many cells, of variants drawn at random; 0 takes all.", metavar="N")
    ] = None,
    margin: Annotated[float | None, typer.Option(help="A difference worth seeing, in nats.")] = None,
    budget: Annotated[
        Literal["steps", "tokens", "flops"] | None, typer.Option(help="What all variants get the same of.")
    ] = None,
    jobs: Annotated[str, typer.Option(help="Processes: a number, or auto for one a core.", metavar="N")] = "auto",
    cluster: Annotated[str, typer.Option(help="Run on this Dask scheduler instead.", metavar="ADDRESS")] = "",
    out: OutFlag = None,
    force: ForceFlag = False,
    dry_run: DryRunFlag = False,
    json: JsonFlag = False,
    **options: Any,
) -> c.Command:
    """Compare variants over several seeds, with statistics, and write a report.

    By default tied with untied heads, with and without input RMSNorm. Started again on the same folder, it goes on
    where it stopped, and with more --seeds it adds those. A study: head-and-norm, optimizers or clipping, of the
    bigram where neither --preset nor --model-kind is given; norms, positions, activations or depth-width, of mini-gpt
    in tensor mode.

    Exit code 7 says that a cell diverged, failed or was refused; the others, the tables and the report are there.
    """
    from ..experiments.ablation.axes import parse_axes
    from ..experiments.ablation.named import Recipe, find_recipe, make_study
    from .console import say

    for flag, value, least in (("--seeds", seeds, 1), ("--max-cells", max_cells, 0)):
        check_count(flag, least if value is None else value, least)
    if margin is not None and not 0 < margin < math.inf:
        raise UsageError(f"--margin {margin} is not a positive number of nats: give e.g. --margin 0.01")
    axes = parse_axes(axis or ())
    recipe = Recipe(name="-".join(path.rpartition(".")[2] for path in axes)) if axes else Recipe()
    if study is not None:
        recipe = find_recipe(study)
        axes = {**recipe.axes, **axes} if axes else {}
    below = recipe.base
    if recipe.needs and not merge(below, given := given_settings(options)).keys() & {"preset", "model_kind"}:
        below = merge(recipe.needs, below)
        words = " and ".join(f"{name} {value}" for name, value in merge(below, given).items() if name in recipe.needs)
        say(f"note: the study {recipe.name} takes {words}, since a bigram has none of what it varies")
    return c.AblateCommand(
        study=make_study(
            resolve_options(options, default_preset="bigram", below=below),
            recipe,
            axes=axes or None,
            design=design,
            seeds=seeds,
            max_cells=max_cells,
            margin=margin,
            budget=budget,
        ),
        name=recipe.name,
        jobs=count_or_auto("--jobs", jobs),
        cluster=cluster,
        out=out,
        force=force,
        dry_run=dry_run,
        json=json,
    )


@app.command("report", epilog="Example: nanochat report results/runs/microgpt-names-0001")
def _report(
    folder: Annotated[str, typer.Argument(help="Folder of a run or an ablation, or latest.")] = "latest",
) -> c.Command:
    """Write report.md and its figures anew from the data in a folder."""
    return c.ReportCommand(folder=folder)


@runs.command("list", epilog="Example: nanochat runs list")
def _runs_list(
    root: Annotated[Path, typer.Option(help="Folder of runs.", readable=False)] = c.RUNS, json: JsonFlag = False
) -> c.Command:
    """List runs, newest first."""
    return c.RunsListCommand(root=root, json=json)


@runs.command("compare", epilog="Example: nanochat runs compare results/runs/a results/runs/b")
def _runs_compare(
    folders: Annotated[list[str], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    figure: Annotated[Path, typer.Option(help="Where the loss curves go.", readable=False)] = Path(
        "results/compare.png"
    ),
    json: JsonFlag = False,
) -> c.Command:
    """Put runs side by side, and their loss curves on one figure."""
    if len(folders) < 2:
        raise UsageError("runs compare takes two runs or more: list them with `nanochat runs list`")
    return c.RunsCompareCommand(runs=tuple(folders), figure=figure, json=json)


@app.command("certify", epilog="Example: nanochat certify --preset nanogpt-cpu")
def _certify(
    preset: Annotated[
        list[str] | None, typer.Option(help="Certify this preset's model; repeatable; all by default.", metavar="NAME")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Root of the random weights, tokens and directions.")] = 1337,
    out: Annotated[
        Path, typer.Option(help="Folder of certificate.json and certificate.md.", metavar="DIR", readable=False)
    ] = Path("results/certificates"),
    force: ReplaceFlag = False,
    json: JsonFlag = False,
) -> c.Command:
    """Prove that both engines compute the same losses and gradients, and that these are the slopes.

    Every op, every layer and the whole model of each preset, in float64: scalar path, tensor path, finite differences.
    """
    unknown = [name for name in preset or () if name not in PRESETS]
    if unknown:
        raise UsageError(f"--preset {unknown[0]!r} is unknown: {nearest(unknown[0], PRESETS)}")
    return c.CertifyCommand(presets=tuple(preset or PRESETS), seed=seed, out=out, force=force, json=json)


@app.command("bench", epilog="Example: nanochat bench --profile --preset nanogpt-cpu")
def _bench(
    profile: Annotated[bool, typer.Option("--profile", help="Take one training step apart, op by op.")] = False,
    preset: Annotated[str, typer.Option(help="Whose step.", metavar="NAME")] = "nanogpt-cpu",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which the contenders take turns.")] = 7,
    out: OutFlag = None,
    force: ReplaceFlag = False,
    json: JsonFlag = False,
) -> c.Command:
    """Measure training steps and decoding, side by side with PyTorch where it is installed.

    PyTorch is measured where it is installed; elsewhere only our own figures are printed.
    """
    if preset not in PRESETS:
        raise UsageError(f"--preset {preset!r} is unknown: {nearest(preset, PRESETS)}")
    return c.BenchCommand(profile=preset if profile else "", rounds=rounds, out=out, force=force, json=json)
